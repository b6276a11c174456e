package server

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/lullcache/lull"
)

// infoSections are the sections of INFO in their order. "everything" is all of them,
// and so are "all" and "default".
var infoSections = []struct {
	title string
	write func(s *Server, b *infoText)
}{
	{"Server", (*Server).infoServer},
	{"Clients", (*Server).infoClients},
	{"Memory", (*Server).infoMemory},
	{"Persistence", (*Server).infoPersistence},
	{"Stats", (*Server).infoStats},
	{"Replication", (*Server).infoReplication},
	{"CPU", (*Server).infoCPU},
	{"Cluster", (*Server).infoCluster},
	{"Lull", (*Server).infoLull},
	{"Keyspace", (*Server).infoKeyspace},
}

// infoText gathers the lines of INFO.
type infoText struct {
	strings.Builder
	stats lull.Stats
}

func (b *infoText) line(name string, val any) { fmt.Fprintf(b, "%s:%v\r\n", name, val) }

// info returns the sections asked for, all if none is named.
func (s *Server) info(sections [][]byte, stats lull.Stats) string {
	wanted := make(map[string]bool)
	for _, name := range sections {
		wanted[strings.ToLower(string(name))] = true
	}
	all := len(wanted) == 0 || wanted["all"] || wanted["everything"] || wanted["default"]
	b := infoText{stats: stats}
	for _, section := range infoSections {
		if !all && !wanted[strings.ToLower(section.title)] {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString("# " + section.title + "\r\n")
		section.write(s, &b)
	}
	return b.String()
}

func (s *Server) infoServer(b *infoText) {
	up := int64(time.Since(s.started).Seconds())
	b.line("redis_version", redisVersion)
	b.line("redis_mode", "standalone")
	b.line("lull_version", s.opts.Version)
	b.line("go_version", runtime.Version())
	b.line("os", runtime.GOOS+" "+runtime.GOARCH)
	b.line("arch_bits", 32<<(^uint(0)>>63))
	b.line("process_id", os.Getpid())
	b.line("run_id", s.runID)
	b.line("tcp_port", s.port())
	b.line("server_time_usec", time.Now().UnixMicro())
	b.line("uptime_in_seconds", up)
	b.line("uptime_in_days", up/86400)
}

func (s *Server) infoClients(b *infoText) {
	var inMax, outMax int64
	s.clients.each(func(c *conn) {
		inMax = max(inMax, c.view.queryBytes.Load())
		outMax = max(outMax, c.view.replyBytes.Load())
	})
	b.line("connected_clients", s.clients.count())
	b.line("cluster_connections", 0)
	b.line("maxclients", s.maxClients.Load())
	b.line("client_recent_max_input_buffer", inMax)
	b.line("client_recent_max_output_buffer", outMax)
	b.line("blocked_clients", 0)
	b.line("tracking_clients", 0)
}

func (s *Server) infoStats(b *infoText) {
	st := &s.stats
	perSecond, in, out := st.rates()
	b.line("total_connections_received", st.connections.Load())
	b.line("total_commands_processed", st.commands.Load())
	b.line("instantaneous_ops_per_sec", int64(perSecond))
	b.line("total_net_input_bytes", st.bytesIn.Load())
	b.line("total_net_output_bytes", st.bytesOut.Load())
	b.line("instantaneous_input_kbps", fmt.Sprintf("%.2f", in/1024))
	b.line("instantaneous_output_kbps", fmt.Sprintf("%.2f", out/1024))
	b.line("rejected_connections", st.rejected.Load())
	b.line("total_error_replies", st.errors.Load())
	s.infoEngineStats(b)
}

func (s *Server) infoReplication(b *infoText) {
	b.line("role", "master")
	b.line("connected_slaves", 0)
}

func (s *Server) infoCluster(b *infoText) { b.line("cluster_enabled", 0) }

// humanBytes shows a size as INFO does: 1.50M.
func humanBytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%dB", n)
	}
	f, unit := float64(n)/(1<<10), 0
	for f >= 1024 && unit < 4 {
		f /= 1024
		unit++
	}
	return fmt.Sprintf("%.2f%c", f, "KMGTP"[unit])
}
