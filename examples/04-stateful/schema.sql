-- The prediction log that model.yaml reads: one row per result that was shown.
CREATE TABLE results
(
    ts            DateTime64(3),
    model         LowCardinality(String),
    model_version LowCardinality(String),
    tier          LowCardinality(String),
    similarity    Float32,
    clicked       Nullable(UInt8),          -- null until the user went on
    language      LowCardinality(String)
)
ENGINE = MergeTree
ORDER BY (model, ts);
