package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/lullcache/lull/internal/config/initgen"
	"github.com/lullcache/lull/sink"
)

// runInit writes a configuration for the tables that the database has, or the DDL of
// Lull's own.
func runInit(ctx context.Context, args []string) error {
	var f configFlags
	fs := newOptionSet("init", "Writes a configuration for the tables that the database has, ready to edit; or, with --sql,\nprints the DDL of Lull's own tables.")
	f.register(fs)
	ddl := fs.Bool("sql", false, "print the DDL of Lull's own tables, for a DBA to run")
	out := fs.String("out", "lull.yaml", "the `file` to write; - is standard output")
	if err := fs.parse(args); err != nil {
		return err
	}
	if f.database == "" && f.file == "" {
		return &usageError{"lull init: --database is missing: postgres://user@host/db, mysql://user@host/db or sqlite:file"}
	}
	c, err := f.load()
	if err != nil {
		return err
	}
	s, err := openSink(ctx, c)
	if err != nil {
		return err
	}
	defer s.Close()
	if *ddl {
		for _, statement := range s.OwnDDL() {
			fmt.Println(strings.TrimRight(statement, "; \n") + ";")
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	catalog, err := s.Catalog(ctx, nil)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	catalog.Tables = slices.DeleteFunc(catalog.Tables, func(t *sink.Table) bool { return strings.HasPrefix(t.Name, "lull_") })
	return writeNew(*out, initgen.Generate(catalog, c.Database))
}

// writeNew writes a file that is not there yet: a configuration that somebody has
// edited is never overwritten.
func writeNew(name string, data []byte) error {
	if name == "-" {
		_, err := os.Stdout.Write(data)
		return err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("%w; choose another file with --out", err)
	}
	if _, err := file.Write(data); err != nil {
		_ = file.Close()
		return err
	}
	fmt.Printf("wrote %s; read it through, then: lull check --config %s\n", name, name)
	return file.Close()
}
