package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lullcache/lull"
)

// metricsServer answers /metrics for Prometheus and /healthz for whoever restarts
// what is not well.
type metricsServer struct {
	registry *prometheus.Registry
	db       atomic.Pointer[lull.DB] // nil while it is opened
	percent  atomic.Uint64           // of the log that is replayed meanwhile
	server   *http.Server
	listener net.Listener
	done     chan struct{}
}

// startMetrics listens on addr; with an empty one it does nothing.
func startMetrics(addr string) (*metricsServer, error) {
	if addr == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	mux := http.NewServeMux()
	m := &metricsServer{
		registry: prometheus.NewRegistry(),
		server:   &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second},
		listener: listener, done: make(chan struct{}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "lull_loading", Help: "1 until the log is replayed and clients are served."},
			func() float64 { return truth(m.db.Load() == nil) }))
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { m.health(w) })
	go func() {
		defer close(m.done)
		_ = m.server.Serve(listener) // ErrServerClosed
	}()
	return m, nil
}

// replayed tells of the progress of the engine's start.
func (m *metricsServer) replayed(done, total uint64) {
	if m != nil && total > 0 {
		m.percent.Store(100 * done / total)
	}
}

// use adds the engine's metrics.
func (m *metricsServer) use(db *lull.DB) {
	if m != nil {
		m.registry.MustRegister(newEngineCollector(db))
		m.db.Store(db)
	}
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

// health answers 503 until clients are served, and while something needs an operator:
// another process has taken over, the log has failed, a table is parked. A database that is away is no reason:
// Lull waits for it, and a restart would not help.
func (m *metricsServer) health(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	db := m.db.Load()
	if db == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "loading: %d %% of the log is replayed\n", m.percent.Load())
		return
	}
	stats := db.Stats()
	if problems := stats.Problems(); len(problems) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, strings.Join(problems, "\n"))
		return
	}
	fmt.Fprintln(w, "ok")
	fmt.Fprintln(w, stats.Flush.Summary)
}
