-- reference data: editions of the code tables, classes, streets, unit grids
-- depends:

-- migrate: apply
CREATE TYPE report_kind AS ENUM ('component', 'event');
COMMENT ON TYPE report_kind IS 'Which of the two code tables a class stands in: 部件 (a thing that stands there) or 事件 (a thing that happens there).';

CREATE TYPE collection_mode AS ENUM ('market', 'self');
COMMENT ON TYPE collection_mode IS 'Who employs the inspectors of a street: a contractor (market) or the street itself (self).';

CREATE TABLE edition (
    number smallint PRIMARY KEY CHECK (number BETWEEN 1 AND 127),
    district integer NOT NULL,
    lat0_e5 integer NOT NULL,
    lon0_e5 integer NOT NULL,
    grid_digits smallint NOT NULL CHECK (grid_digits IN (14, 15)),
    class_digits smallint NOT NULL CHECK (class_digits IN (4, 5)),
    is_current boolean NOT NULL,
    name text NOT NULL
);
COMMENT ON TABLE edition IS 'Editions of the code tables. Filled from the gateway''s own files at every migration; do not edit by hand.';
COMMENT ON COLUMN edition.number IS 'Number of the edition as it stands in every report.';
COMMENT ON COLUMN edition.district IS 'Six-digit district code.';
COMMENT ON COLUMN edition.lat0_e5 IS 'Origin of positions on the wire, latitude in 1e-5 degree.';
COMMENT ON COLUMN edition.lon0_e5 IS 'Origin of positions on the wire, longitude in 1e-5 degree.';
COMMENT ON COLUMN edition.grid_digits IS 'Digits of a whole unit-grid identity.';
COMMENT ON COLUMN edition.class_digits IS 'Digits of a class code.';
COMMENT ON COLUMN edition.is_current IS 'Whether handsets should use this edition now.';
COMMENT ON COLUMN edition.name IS 'The standard that the codes come from.';

CREATE TABLE class_code (
    edition smallint NOT NULL REFERENCES edition,
    kind report_kind NOT NULL,
    code integer NOT NULL,
    major text NOT NULL,
    minor text NOT NULL,
    PRIMARY KEY (edition, kind, code)
);
COMMENT ON TABLE class_code IS 'Classes of components and events. Rebuilt from public lists, not from the text of the standard.';
COMMENT ON COLUMN class_code.edition IS 'Edition that the code belongs to.';
COMMENT ON COLUMN class_code.kind IS 'Component or event: the two share one space of numbers.';
COMMENT ON COLUMN class_code.code IS 'The code as a number: 101 for 0101.';
COMMENT ON COLUMN class_code.major IS 'Name of the major class.';
COMMENT ON COLUMN class_code.minor IS 'Name of the minor class.';

CREATE TABLE street (
    code integer PRIMARY KEY,
    lat_e5 integer NOT NULL,
    lon_e5 integer NOT NULL,
    collection collection_mode NOT NULL,
    area_km2 numeric(6, 1) NOT NULL,
    name text NOT NULL
);
COMMENT ON TABLE street IS 'Streets (街道), the sub-districts that inspectors belong to.';
COMMENT ON COLUMN street.code IS 'Nine-digit code: district and street.';
COMMENT ON COLUMN street.lat_e5 IS 'Rough centre, latitude in 1e-5 degree; off by 2 to 4 km, an assumption.';
COMMENT ON COLUMN street.lon_e5 IS 'Rough centre, longitude in 1e-5 degree; off by 2 to 4 km, an assumption.';
COMMENT ON COLUMN street.collection IS 'How reports are collected there.';
COMMENT ON COLUMN street.area_km2 IS 'Rough area in square kilometres.';
COMMENT ON COLUMN street.name IS 'Name.';

CREATE TABLE unit_grid (
    grid bigint PRIMARY KEY,
    street_code integer NOT NULL REFERENCES street
);
COMMENT ON TABLE unit_grid IS 'Unit grids (单元网格). Their number is published, their identities are an assumption: they do not decide whether a report is valid.';
COMMENT ON COLUMN unit_grid.grid IS 'Whole identity: district, street, community, number.';
COMMENT ON COLUMN unit_grid.street_code IS 'The street that the grid lies in.';

-- migrate: rollback
DROP TABLE unit_grid;
DROP TABLE street;
DROP TABLE class_code;
DROP TABLE edition;
DROP TYPE collection_mode;
DROP TYPE report_kind;
