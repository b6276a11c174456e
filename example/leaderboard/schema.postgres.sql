CREATE TABLE IF NOT EXISTS players (
	id    bigint  PRIMARY KEY,
	name  text    NOT NULL DEFAULT '',
	games integer NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS scores (
	board     text   NOT NULL,
	player_id bigint NOT NULL REFERENCES players (id),
	points    bigint NOT NULL,
	PRIMARY KEY (board, player_id)
);
CREATE INDEX IF NOT EXISTS scores_by_points ON scores (board, points DESC);
