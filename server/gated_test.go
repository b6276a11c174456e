package server

import (
	"context"
	"sync"
	"testing"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// gatedSink is a database with a table of counters, whose reads do not come back while the gate is
// closed.
type gatedSink struct {
	sink.Sink
	mu    sync.Mutex
	gate  chan struct{}
	reads int // since it was closed
}

func (g *gatedSink) over(t testing.TB, s sink.Sink, file string) {
	g.Sink = s
	sqliteFileExec(t, file, `CREATE TABLE counters (id INTEGER PRIMARY KEY, hits INTEGER NOT NULL);
		INSERT INTO counters WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < 99) SELECT i, 1000+i FROM n`)
}

func (g *gatedSink) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gate, g.reads = make(chan struct{}), 0
}

func (g *gatedSink) open() { close(g.gate) }

func (g *gatedSink) began() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reads
}

func (g *gatedSink) Read(ctx context.Context, queries []sink.Query, row func(int, []value.Value) error) error {
	g.mu.Lock()
	g.reads++
	gate := g.gate
	g.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g.Sink.Read(ctx, queries, row)
}

// startGated has a gate that is closed.
func startGated(t *testing.T, o lull.Options) (*Server, *gatedSink) {
	gate := &gatedSink{}
	o.Sink, o.Ack = gate, lull.AckMemory
	o.Tables = []lull.TableSpec{{Name: "counters", Key: "counter:{id}", Type: "string", Value: "hits"}}
	s := startOver(t, Options{}, o, func(*Server) {})
	gate.close()
	return s, gate
}
