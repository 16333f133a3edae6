-- the standing of devices: every gateway hears of one that was revoked, restored or given new keys
-- depends: 0007-dashboards

-- migrate: apply
ALTER TABLE device ADD COLUMN standing integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN device.standing IS 'How often it was revoked, restored or given new keys. A session that was admitted under another number ends, at whichever gateway. Set by a trigger alone.';

-- In the row, so that whoever changes it, also by hand, cannot forget it.
CREATE FUNCTION device_standing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.standing := OLD.standing + 1;
    PERFORM pg_notify('device', '');
    RETURN NEW;
END $$;
COMMENT ON FUNCTION device_standing() IS 'Gives a device another standing and wakes the gateways when it is committed. One notification for a whole transaction.';
CREATE TRIGGER device_standing BEFORE UPDATE ON device FOR EACH ROW
    WHEN (
        (OLD.revoked_at IS NULL) IS DISTINCT FROM (NEW.revoked_at IS NULL)
        OR OLD.stored_key IS DISTINCT FROM NEW.stored_key
        OR OLD.gateway_key IS DISTINCT FROM NEW.gateway_key
    )
    EXECUTE FUNCTION device_standing();

-- migrate: rollback
DROP TRIGGER device_standing ON device;
DROP FUNCTION device_standing();
ALTER TABLE device DROP COLUMN standing;
