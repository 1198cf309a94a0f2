"""ClickHouse, over HTTP or embedded (chDB): connections, schema, limits, and the prediction log as a port."""
