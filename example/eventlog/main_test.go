package main

import (
	"testing"

	"github.com/lullcache/lull/example/demo"
	"github.com/lullcache/lull/internal/testdb"
)

func TestAgainstSQLite(t *testing.T) {
	if err := run(t.Context(), demo.Options{}); err != nil {
		t.Fatal(err)
	}
}

func TestAgainstPostgres(t *testing.T) {
	if err := run(t.Context(), demo.Options{Database: testdb.Postgres(t)}); err != nil {
		t.Fatal(err)
	}
}
