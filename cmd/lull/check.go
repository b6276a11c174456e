package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lullcache/lull/internal/config"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
)

// databaseTimeout bounds what check and init ask of the database.
const databaseTimeout = 30 * time.Second

// runCheck compares the configuration with the live database, and complains of all
// that does not fit at once.
func runCheck(ctx context.Context, args []string) error {
	var f configFlags
	fs := newOptionSet("check", "Compares the configuration with the live database, and complains of all that does not fit at\nonce. It changes nothing.")
	f.register(fs)
	if err := fs.parse(args); err != nil {
		return err
	}
	c, problems := f.read()
	if c == nil {
		return joined(problems)
	}
	s, err := openSink(ctx, c)
	if err != nil {
		return errors.Join(joined(problems), err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	m, more, err := compile(ctx, c, s)
	if err := errors.Join(joined(inOrder(withMore(problems, more))), err); err != nil {
		return err
	}
	for _, t := range m.Tables() {
		fmt.Printf("%-20s %-7v %-30s → %s\n", t.Name, t.Kind, t.Spec.Key, t.SQL)
	}
	fit := fmt.Sprintf("%d tables fit", len(m.Tables()))
	if len(m.Tables()) == 1 {
		fit = "1 table fits"
	}
	fmt.Printf("%s %s\n", fit, config.WithoutPassword(c.Database))
	return nil
}

// inOrder sorts problems by line.
func inOrder(problems []mapping.Problem) []mapping.Problem {
	slices.SortStableFunc(problems, func(a, b mapping.Problem) int { return cmp.Compare(a.Line, b.Line) })
	return problems
}

// compile reads the catalog and compiles the mapping, or returns all problems.
func compile(ctx context.Context, c *config.Config, s sink.Sink) (*mapping.Mapping, []mapping.Problem, error) {
	catalog, err := s.Catalog(ctx, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("database: %w", err)
	}
	var named []string
	for i := range c.Tables {
		if name := c.Tables[i].Table; name != "" && catalog.Find(name) == nil {
			named = append(named, name)
		}
	}
	if len(named) > 0 {
		more, err := s.Catalog(ctx, named)
		if err != nil {
			return nil, nil, fmt.Errorf("database: %w", err)
		}
		catalog.Tables = append(catalog.Tables, more.Tables...)
	}
	m, problems := mapping.Compile(c.Tables, catalog, s.OwnTable)
	return m, problems, nil
}
