CREATE TABLE IF NOT EXISTS page_views (
	page  text   PRIMARY KEY,
	views bigint NOT NULL DEFAULT 0
);
