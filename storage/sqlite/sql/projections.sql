-- Derived rows, whatever the table: in single braces what storage.sqlite.rows.row_statements fills in, in double ones lists of values.

-- name: stored
-- The rows at some places, in one step. JSON is only how they are handed over.
SELECT json_group_array(json_array({columns})) FROM {table} WHERE {places}

-- name: insert
INSERT INTO {table} ({columns}) VALUES {{rows}}

-- name: replace
INSERT INTO {table} ({columns}) VALUES {{rows}} ON CONFLICT ({key}) DO UPDATE SET {changes}

-- name: delete
DELETE FROM {table} WHERE {places}

-- name: delete_under
DELETE FROM {table} WHERE {column} IN ({{places}})

-- name: delete_named_under
DELETE FROM {table} WHERE {column} IN ({{places}}) RETURNING seq, id

-- name: add
-- What a column of VALUES is called, only SQLite knows: column1 is the row's number.
UPDATE {table} SET
    upvotes = upvotes + d.column2, downvotes = downvotes + d.column3,
    uncounted = uncounted + d.column4, comment_count = comment_count + d.column5
FROM (VALUES {{rows}}) AS d WHERE {table}.seq = d.column1

-- name: page
-- The next rows in the order of their key, each with the number of the event it is made of, 0 where it is made of none alone.
SELECT json_group_array(json_array({key}, seq)) FROM (
    SELECT {key}, {seq} AS seq FROM {table} WHERE ({key}) > ({after}) ORDER BY {key} LIMIT ?
)

-- name: first_page
SELECT json_group_array(json_array({key}, seq)) FROM (SELECT {key}, {seq} AS seq FROM {table} ORDER BY {key} LIMIT ?)

-- name: number
SELECT count(*) FROM {table}
