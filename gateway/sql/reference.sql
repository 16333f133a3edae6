-- Reference data, written again at every migration. Each statement runs on the primary key of its table; an upsert that
-- changes only what differs, so running it twice does nothing.

-- name: upsert_editions
INSERT INTO edition (number, name, district, lat0_e5, lon0_e5, grid_digits, class_digits, is_current)
SELECT * FROM unnest($1::smallint[], $2::text[], $3::integer[], $4::integer[], $5::integer[], $6::smallint[], $7::smallint[], $8::boolean[])
ON CONFLICT (number) DO UPDATE SET
    name = excluded.name, district = excluded.district, lat0_e5 = excluded.lat0_e5, lon0_e5 = excluded.lon0_e5,
    grid_digits = excluded.grid_digits, class_digits = excluded.class_digits, is_current = excluded.is_current
WHERE edition IS DISTINCT FROM excluded

-- name: upsert_classes
INSERT INTO class_code (edition, kind, code, major, minor)
SELECT * FROM unnest($1::smallint[], $2::report_kind[], $3::integer[], $4::text[], $5::text[])
ON CONFLICT (edition, kind, code) DO UPDATE SET major = excluded.major, minor = excluded.minor
WHERE class_code IS DISTINCT FROM excluded

-- name: upsert_streets
INSERT INTO street (code, name, collection, lat_e5, lon_e5, area_km2)
SELECT * FROM unnest($1::integer[], $2::text[], $3::collection_mode[], $4::integer[], $5::integer[], $6::numeric[])
ON CONFLICT (code) DO UPDATE SET
    name = excluded.name, collection = excluded.collection, lat_e5 = excluded.lat_e5, lon_e5 = excluded.lon_e5,
    area_km2 = excluded.area_km2
WHERE street IS DISTINCT FROM excluded

-- name: upsert_unit_grids
INSERT INTO unit_grid (grid, street_code)
SELECT * FROM unnest($1::bigint[], $2::integer[])
ON CONFLICT (grid) DO UPDATE SET street_code = excluded.street_code
WHERE unit_grid IS DISTINCT FROM excluded
