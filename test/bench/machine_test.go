package matrix

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Machine is what the figures depend on before all else.
type Machine struct {
	CPU, Memory, Kernel, System, Go, Redis, PostgreSQL, MariaDB string
	Cores                                                       int
}

func (m *Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s; %s, Linux %s; %s; %s; %s; %s", m.CPU, m.Cores, m.Memory, m.System, m.Kernel, m.Go, m.Redis, m.PostgreSQL, m.MariaDB)
}

func describeMachine(t *testing.T) *Machine {
	t.Helper()
	return &Machine{
		CPU:        fieldOf("/proc/cpuinfo", "model name"),
		Cores:      runtime.NumCPU(),
		Memory:     memoryText(fieldOf("/proc/meminfo", "MemTotal")),
		Kernel:     strings.TrimSpace(readText("/proc/sys/kernel/osrelease")),
		System:     strings.Trim(fieldOf("/etc/os-release", "PRETTY_NAME"), `"`),
		Go:         strings.Replace(runtime.Version(), "go", "Go ", 1),
		Redis:      "Redis " + wordAfter(said("redis-server", "--version"), "v="),
		PostgreSQL: "PostgreSQL " + wordAfter(said(findProgram("postgres", "/usr/lib/postgresql/*/bin"), "--version"), "(PostgreSQL) "),
		MariaDB:    "MariaDB " + wordAfter(said(findProgram("mariadbd", "/usr/sbin"), "--version"), "Ver "),
	}
}

// fieldOf returns what stands behind "name:" or "name=" in a file of such lines.
func fieldOf(file, name string) string {
	for line := range strings.Lines(readText(file)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimLeft(strings.TrimSpace(rest), ":= \t")
		}
	}
	return "unknown"
}

func readText(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return string(text)
}

func memoryText(kilobytes string) string {
	var n float64
	if _, err := fmt.Sscan(kilobytes, &n); err != nil {
		return "unknown memory"
	}
	return fmt.Sprintf("%.0f GiB", n/(1<<20))
}

func findProgram(name, pattern string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, _ := filepath.Glob(filepath.Join(pattern, name))
	if len(found) == 0 {
		return name
	}
	return found[len(found)-1]
}

// said is the first line of what a program says.
func said(program string, args ...string) string {
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

func wordAfter(text, mark string) string {
	_, rest, _ := strings.Cut(text, mark)
	word, _, _ := strings.Cut(rest, " ")
	return word
}

// commit names the version of Lull that is measured, and whether files differ from it.
func commit() (name string, changed bool) {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown", true
	}
	// What the benchmark itself writes is no change of Lull.
	diff, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no", "--", "../..", ":!../../docs").Output()
	return strings.TrimSpace(string(out)), err != nil || len(diff) > 0
}
