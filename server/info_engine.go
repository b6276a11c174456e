package server

import (
	"runtime"
	"runtime/metrics"
	"syscall"
)

// infoMemory tells what the process takes; the engine's share is in the section lull.
func (s *Server) infoMemory(b *infoText) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	used, rss := int64(m.HeapAlloc+m.StackInuse), residentBytes()
	b.line("used_memory", used)
	b.line("used_memory_human", humanBytes(used))
	b.line("used_memory_rss", rss)
	b.line("used_memory_rss_human", humanBytes(rss))
	b.line("maxmemory", s.params.byName["maxmemory"].Get())
	b.line("maxmemory_policy", s.params.byName["maxmemory-policy"].Get())
	b.line("mem_allocator", "go")
	b.line("gc_cycles", m.NumGC)
}

// residentBytes is what the Go runtime has mapped and not given back.
func residentBytes() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64() - sample[1].Value.Uint64())
}

func (s *Server) infoCPU(b *infoText) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return // never on a supported system
	}
	b.line("used_cpu_sys", float64(u.Stime.Nano())/1e9)
	b.line("used_cpu_user", float64(u.Utime.Nano())/1e9)
}
