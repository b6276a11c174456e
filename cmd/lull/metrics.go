package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lullcache/lull"
)

// metricsServer answers /metrics for Prometheus and /healthz for whoever restarts
// what is not well.
type metricsServer struct {
	server   *http.Server
	listener net.Listener
	done     chan struct{}
}

// startMetrics listens on addr; with an empty one it does nothing.
func startMetrics(addr string, db *lull.DB) (*metricsServer, error) {
	if addr == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(newEngineCollector(db),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { health(w, db) })
	m := &metricsServer{
		server:   &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second},
		listener: listener, done: make(chan struct{}),
	}
	go func() {
		defer close(m.done)
		_ = m.server.Serve(listener) // ErrServerClosed
	}()
	return m, nil
}

// addr is where it listens, "" if it does not.
func (m *metricsServer) addr() string {
	if m == nil {
		return ""
	}
	return m.listener.Addr().String()
}

func (m *metricsServer) close() {
	if m == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := m.server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		_ = m.server.Close() // a scrape that does not end
	}
	<-m.done
}

// health answers 503 while something needs an operator: another process has taken
// over, the log has failed, a table is parked. A database that is away is no reason:
// Lull waits for it, and a restart would not help.
func health(w http.ResponseWriter, db *lull.DB) {
	stats := db.Stats()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if problems := stats.Problems(); len(problems) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, strings.Join(problems, "\n"))
		return
	}
	fmt.Fprintln(w, "ok")
	fmt.Fprintln(w, stats.Flush.Summary)
}
