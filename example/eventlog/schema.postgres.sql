CREATE TABLE IF NOT EXISTS events (
	id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	topic   text        NOT NULL,
	user_id bigint      NOT NULL,
	action  text        NOT NULL,
	at      timestamptz NOT NULL DEFAULT now()
);
