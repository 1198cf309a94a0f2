-- The prediction log that model.yaml reads. It does not say which tier served, so `columns.tier` is "" there.
CREATE TABLE answers
(
    ts            DateTime64(3),
    model         LowCardinality(String),
    model_version LowCardinality(String),
    confidence    Float32,
    was_right     Nullable(UInt8),          -- null until somebody graded the answer
    language      LowCardinality(String)
)
ENGINE = MergeTree
ORDER BY (model, ts);
