CREATE TABLE IF NOT EXISTS players (
	id    INTEGER PRIMARY KEY,
	name  TEXT    NOT NULL DEFAULT '',
	games INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS scores (
	board     TEXT    NOT NULL,
	player_id INTEGER NOT NULL REFERENCES players (id),
	points    INTEGER NOT NULL,
	PRIMARY KEY (board, player_id)
);
