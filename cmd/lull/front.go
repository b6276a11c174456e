package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/config"
	"github.com/lullcache/lull/server"
)

// front is what clients and monitors reach: it listens before the engine is open.
type front struct {
	server  *server.Server
	metrics *metricsServer // nil without an address
	served  chan error
}

func openFront(c *config.Config, logger *slog.Logger) (*front, error) {
	srv, err := server.Listen(server.Options{
		Addr: c.Listen, Password: c.Password, MaxClients: int(c.MaxClients), Version: version(), Settings: settings(c),
		OnError: func(err error) { logger.Warn("client", "error", err) },
	})
	if err != nil {
		return nil, err
	}
	metrics, err := startMetrics(c.Metrics)
	if err != nil {
		return nil, errors.Join(err, srv.Shutdown(context.Background()))
	}
	f := &front{server: srv, metrics: metrics, served: make(chan error, 1)}
	go func() { f.served <- srv.Serve() }()
	return f, nil
}

// replayed tells of the progress of the engine's start.
func (f *front) replayed(done, total uint64) {
	f.server.Replayed(done, total)
	f.metrics.replayed(done, total)
}

// use puts the engine behind it.
func (f *front) use(db *lull.DB) {
	f.metrics.use(db)
	f.server.Use(db)
}

// wait returns when ctx ends, or when the server cannot go on.
func (f *front) wait(ctx context.Context) error {
	select {
	case err := <-f.served:
		f.served <- err
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
		return nil
	}
}

// close answers what is in flight, for so long at most.
func (f *front) close(within time.Duration) error {
	bounded, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	err := f.server.Shutdown(bounded)
	<-f.served // server.ErrClosed
	f.metrics.close()
	return err
}
