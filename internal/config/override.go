package config

import (
	"net/url"
	"strings"
)

// Overrides are settings given on the command line. Empty ones change nothing.
type Overrides struct{ Listen, DataDir, Database, Metrics string }

// Override lays o over the settings. Without a database of its own in the file, the
// embedded one goes with the data directory.
func (c *Config) Override(o Overrides) {
	embedded := c.Database == embeddedIn(c.DataDir)
	for _, s := range []struct {
		to   *string
		from string
	}{{&c.Listen, o.Listen}, {&c.DataDir, o.DataDir}, {&c.Database, o.Database}, {&c.Metrics, o.Metrics}} {
		if s.from != "" {
			*s.to = s.from
		}
	}
	if embedded && o.Database == "" {
		c.Database = embeddedIn(c.DataDir)
	}
}

// WithoutPassword returns a database URL as it may be shown.
func WithoutPassword(database string) string {
	if strings.HasPrefix(database, "sqlite:") {
		return database
	}
	u, err := url.Parse(database)
	if err != nil {
		return "(a database URL that cannot be read)"
	}
	return u.Redacted()
}
