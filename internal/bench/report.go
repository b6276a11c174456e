package bench

import (
	"bufio"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

//go:embed report.html
var reportPage string

var reportTemplate = template.Must(template.New("report").Parse(reportPage))

// page is what report.html shows.
type page struct {
	Title, Setting string
	Runs           []string
	Cards          []card
	Rows           []pageRow
	Plots          []*plot
	Checks         []pageCheck
}

type pageRow struct {
	Name  string
	Cells []string
}

type pageCheck struct {
	OK   bool
	Text string
}

// WriteReport writes one HTML page that needs nothing from anywhere else. All results
// are of the same workload.
func WriteReport(out io.Writer, results []*Result, at time.Time) error {
	o := &results[0].Options
	dialect, _, _ := strings.Cut(o.Database, ":")
	p := page{
		Title: "Lull: " + o.Workload + " into " + dialect,
		Setting: fmt.Sprintf("%d clients, pipeline %d, %s keys, %s, %v, ack %s. %s. %s.", o.Clients, o.Pipeline,
			grouped(float64(o.Keys)), o.Skew, o.Duration, o.Ack, machine(), at.Format("2006-01-02 15:04 MST")),
		Cards: cards(results), Plots: plots(results),
	}
	for _, r := range results {
		p.Runs = append(p.Runs, r.Target)
		for _, c := range r.Checks {
			p.Checks = append(p.Checks, pageCheck{c.OK(), r.Target + ": " + c.String()})
		}
	}
	for _, f := range figures {
		row := pageRow{Name: f.name}
		for _, r := range results {
			row.Cells = append(row.Cells, f.of(r))
		}
		p.Rows = append(p.Rows, row)
	}
	return reportTemplate.Execute(out, p)
}

// machine describes what the figures depend on most.
func machine() string {
	model := runtime.GOARCH
	if file, err := os.Open("/proc/cpuinfo"); err == nil {
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if name, val, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(val)
				break
			}
		}
	}
	return fmt.Sprintf("Load, server and (if local) database share %d CPUs (%s, %s)", runtime.NumCPU(), model, runtime.GOOS)
}

// plots draws the runs over each other. A plot without lines is left out.
func plots(results []*Result) (drawn []*plot) {
	for _, p := range []*plot{
		overTime(results, "Writes answered", "a second", grouped, func(s *Sample) float64 { return s.Writes }),
		overTime(results, "Rows written", "to SQL, a second", grouped, func(s *Sample) float64 { return s.Rows }),
		latencies(results),
		overTime(results, "Lag", "age of the oldest answered write that SQL did not have; the longest of each second", seconds,
			func(s *Sample) float64 { return s.LagMax.Seconds() }),
		coalescing(results),
		overTime(results, "CPU of the server process", "CPUs busy; the database's are not in it", decimal, func(s *Sample) float64 { return s.CPU }),
	} {
		if len(p.lines) > 0 {
			drawn = append(drawn, p)
		}
	}
	return drawn
}

func decimal(y float64) string { return strconv.FormatFloat(y, 'g', 3, 64) }

// overTime plots a figure of each sample. Runs in which it is always 0 do not have
// it: the CPU where it is not known, the lag of plain SQL.
func overTime(results []*Result, title, about string, text func(float64) string, of func(s *Sample) float64) *plot {
	p := &plot{Title: title, About: about, yText: text}
	for i, r := range results {
		l, any := line{name: r.Target, place: i}, false
		for j := range r.Samples {
			y := of(&r.Samples[j])
			any = any || y != 0
			l.points = append(l.points, point{r.Samples[j].At.Seconds(), y})
		}
		if any {
			p.lines = append(p.lines, l)
		}
	}
	return p
}

// coalescing plots how many writes became one row, since the start of the run.
func coalescing(results []*Result) *plot {
	p := &plot{Title: "Coalescing", About: "writes answered for each row written, since the start", yText: decimal}
	for i, r := range results {
		l, writes, rows, last := line{name: r.Target, place: i}, 0.0, 0.0, time.Duration(0)
		for _, s := range r.Samples {
			d := (s.At - last).Seconds()
			writes, rows, last = writes+s.Writes*d, rows+s.Rows*d, s.At
			if rows > 0 {
				l.points = append(l.points, point{s.At.Seconds(), writes / rows})
			}
		}
		if len(l.points) > 0 {
			p.lines = append(p.lines, l)
		}
	}
	return p
}

// latencies plots percentiles on a logarithmic axis.
func latencies(results []*Result) *plot {
	p := &plot{Title: "Latency", About: "until the answer, by percentile", yText: seconds, log: true,
		xText: []string{"p50", "p90", "p99", "p99.9", "p99.99", "max"}}
	for i, r := range results {
		l := line{name: r.Target, place: i}
		for x, share := range []float64{0.5, 0.9, 0.99, 0.999, 0.9999, 1} {
			l.points = append(l.points, point{float64(x), r.latency.at(share).Seconds()})
		}
		p.lines = append(p.lines, l)
	}
	return p
}
