package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is a line of the table: a name, and what it says of a run.
type figure struct {
	name string
	of   func(r *Result) string
}

var figures = []figure{
	{"writes answered/s", func(r *Result) string { return grouped(r.WritesPerSecond()) }},
	{"rows written/s", func(r *Result) string { return grouped(r.RowsPerSecond()) }},
	{"writes for each row", func(r *Result) string { return fmt.Sprintf("%.2f", r.Coalescing()) }},
	{"lag p50", func(r *Result) string { return lagText(r, 0.5) }},
	{"lag max", func(r *Result) string { return lagText(r, 1) }},
	{"latency p50", func(r *Result) string { return short(r.latency.at(0.5)) }},
	{"latency p99", func(r *Result) string { return short(r.latency.at(0.99)) }},
	{"latency p99.9", func(r *Result) string { return short(r.latency.at(0.999)) }},
	{"latency max", func(r *Result) string { return short(r.latency.max) }},
	{"server CPU for each write", func(r *Result) string {
		if r.CPU == 0 {
			return "not known"
		}
		return short(r.CPUPerWrite())
	}},
	{"writes answered", func(r *Result) string { return grouped(float64(r.Writes)) }},
	{"answered with an error", func(r *Result) string { return grouped(float64(r.Refused)) }},
	{"SQL had all after", func(r *Result) string { return short(r.Settled) }},
}

func lagText(r *Result, share float64) string {
	if r.Target == "direct" {
		return "none"
	}
	if r.lag.total == 0 {
		return "not known"
	}
	return short(r.lag.at(share))
}

// WriteTable prints the results side by side, then the checks.
func WriteTable(out io.Writer, results []*Result) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\t")
	for _, r := range results {
		fmt.Fprint(w, r.Target, "\t")
	}
	fmt.Fprintln(w)
	for _, f := range figures {
		fmt.Fprint(w, f.name, "\t")
		for _, r := range results {
			fmt.Fprint(w, f.of(r), "\t")
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		for _, c := range r.Checks {
			fmt.Fprintf(out, "%s: %s\n", r.Target, c)
		}
		if r.FirstRefusal != nil {
			fmt.Fprintf(out, "%s: an error that was answered: %v\n", r.Target, r.FirstRefusal)
		}
	}
	return nil
}

// String says what was compared.
func (c Check) String() string {
	verdict := "SQL has the same"
	if !c.OK() {
		verdict = "WRONG: SQL has " + grouped(float64(c.Have))
	} else if c.Have != c.Want {
		verdict = fmt.Sprintf("SQL has %s; %s more could be in, since their answers were errors", grouped(float64(c.Have)), grouped(float64(c.Slack)))
	}
	return fmt.Sprintf("%s %s answered; %s", grouped(float64(c.Want)), c.What, verdict)
}

// grouped writes a number with commas between thousands.
func grouped(f float64) string {
	digits := strconv.FormatFloat(f, 'f', 0, 64)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// short writes a duration with three digits or so.
func short(d time.Duration) string {
	for unit := time.Duration(1); unit < time.Minute; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit).String()
		}
	}
	return d.Round(time.Second).String()
}
