"""A page in the browser that shows logs as they come: what `readme-metrics inspect` serves.

    stand_in   POST /v1/request  ->  store   ->  server  ->  page/ in the browser
    sources    files and queues  ->            (sessions: who may)

`store` keeps logs, bounded; `summary` is a row of the list; `filter` picks rows; `stats`, `har`, `curl`, `replay`,
`explanation` and `preview` say something about logs. Only `handler` knows HTTP.
"""
