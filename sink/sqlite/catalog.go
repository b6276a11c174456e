package sqlite

import (
	"context"
	"errors"

	"github.com/lullcache/lull/sink"
)

// Catalog implements sink.Schema.
func (s *Sink) Catalog(context.Context, []string) (*sink.Catalog, error) {
	return nil, &sink.Error{Class: sink.Invalid, Err: errors.New("catalog: not linked")}
}
