package matrix

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// Section is what one section has measured, as it is kept in docs/benchmarks/NAME.json.
type Section struct {
	Name, Title string
	Date        string // of the start, UTC
	Commit      string
	Changed     bool // files differed from the commit
	Complete    bool // no part failed
	Scale       string
	Rounds      int
	TookSeconds float64
	Machine     *Machine
	Pinned      string // which CPUs
	About       []string
	Rows        []Row
	Tables      []Table
	Plots       []Plot
}

// Row is a line of the table at the top of docs/benchmarks.md.
type Row struct {
	What, Against, Wanted, Got string
	// Met is yes, no, or empty where nothing was wanted or nothing could be judged.
	Met string
}

// Table holds details.
type Table struct {
	Title, About string
	Head         []string
	Lines        [][]string
}

// Plot is drawn to docs/benchmarks/NAME-n.svg.
type Plot struct {
	Title, About, XLabel, YLabel string
	LogX, LogY                   bool
	Series                       []Series
}

// Series is a line of a plot.
type Series struct {
	Name string
	X, Y []float64
}

func newSection(sec section, s *scale, rounds int, m *Machine) *Section {
	name, changed := commit()
	pinned := "server and load free on all cores"
	if *serverCPUs != "" || *loadCPUs != "" {
		pinned = fmt.Sprintf("servers on cores %s, load on cores %s", orAll(*serverCPUs), orAll(*loadCPUs))
	}
	return &Section{Name: sec.name, Title: sec.title, Date: time.Now().UTC().Format("2006-01-02 15:04"), Commit: name, Changed: changed,
		Scale: s.name, Rounds: rounds, Machine: m, Pinned: pinned}
}

func orAll(cpus string) string {
	if cpus == "" {
		return "all"
	}
	return cpus
}

func (s *Section) row(r Row) { s.Rows = append(s.Rows, r) }

func (s *Section) save(dir string) error {
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, s.Name+".json"), append(text, '\n'), 0o644)
}

// loadSections reads what was measured, in the order of the sections.
func loadSections(dir string) (all []*Section, err error) {
	for _, sec := range sections {
		text, err := os.ReadFile(filepath.Join(dir, sec.name+".json"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s := &Section{}
		if err := json.Unmarshal(text, s); err != nil {
			return nil, fmt.Errorf("%s.json: %w", sec.name, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// values are what the rounds gave.
type values []float64

func (v values) median() float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(v))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// over divides round by round.
func (v values) over(other values) values {
	var all values
	for i := range min(len(v), len(other)) {
		all = append(all, v[i]/other[i])
	}
	return all
}

// text is the median, with the least and the greatest.
func (v values) text(format func(float64) string) string {
	if len(v) == 0 {
		return "–"
	}
	return fmt.Sprintf("%s (%s–%s)", format(v.median()), format(slices.Min(v)), format(slices.Max(v)))
}

func times(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) + " ×" }

// count writes a number as people say it: 12,345 or 1.23 M.
func count(f float64) string {
	switch {
	case math.IsNaN(f):
		return "–"
	case f >= 1e6:
		return strconv.FormatFloat(f/1e6, 'f', 2, 64) + " M"
	case f >= 1e4:
		return strconv.FormatFloat(f/1e3, 'f', 0, 64) + " k"
	case f >= 100:
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

func micros(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) + " µs" }

// keysText writes a count of keys.
func keysText(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return strconv.Itoa(n/1_000_000) + " M"
	case n >= 1000 && n%1000 == 0:
		return strconv.Itoa(n/1000) + " k"
	}
	return strconv.Itoa(n)
}

func yesNo(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}
