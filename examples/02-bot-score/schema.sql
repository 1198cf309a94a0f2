-- The prediction log that datasets.yaml reads: one row for each request served.
CREATE TABLE requests
(
    ts            DateTime64(3),
    model         LowCardinality(String),
    model_version LowCardinality(String),
    commit        LowCardinality(String),
    tier          LowCardinality(String),
    pod           LowCardinality(String),
    bot_score     Float32,
    is_bot        Nullable(UInt8),          -- null until it is known
    label_source  LowCardinality(String),
    labelled_at   Nullable(DateTime64(3)),
    http_version  LowCardinality(String),
    ua_family     LowCardinality(String),
    asn_type      LowCardinality(String)
)
ENGINE = MergeTree
ORDER BY (model, ts);
