package bench

import (
	"fmt"
	"strings"
	"time"
)

// card is a figure that the page shows first: of the first run, with what the others
// have beneath it.
type card struct {
	Name, Value, About string
	Bad                bool
}

// cards says the most important of a page's runs.
func cards(results []*Result) []card {
	first, others := results[0], results[1:]
	beside := func(of func(r *Result) string) string {
		var parts []string
		for _, r := range others {
			parts = append(parts, r.Target+" "+of(r))
		}
		return strings.Join(parts, ", ")
	}
	compared := func(d func(r *Result) time.Duration) string {
		return beside(func(r *Result) string { return short(d(r)) })
	}
	all := []card{
		{Name: "writes a second", Value: grouped(first.WritesPerSecond()), About: beside(func(r *Result) string {
			return fmt.Sprintf("%s (%.1f ×)", grouped(r.WritesPerSecond()), first.WritesPerSecond()/max(r.WritesPerSecond(), 1))
		})},
		{Name: "answered within (p99)", Value: short(first.Latency(0.99)), About: compared(func(r *Result) time.Duration { return r.Latency(0.99) })},
		{Name: "SQL behind by (median)", Value: lagText(first, 0.5), About: beside(func(r *Result) string { return lagText(r, 0.5) })},
		{Name: "writes for each row", Value: fmt.Sprintf("%.1f", first.Coalescing()), About: beside(func(r *Result) string { return fmt.Sprintf("%.1f", r.Coalescing()) })},
	}
	return append(all, verdict(results))
}

// verdict says whether SQL has what was answered, over all runs.
func verdict(results []*Result) card {
	checked, wrong := 0, 0
	for _, r := range results {
		for _, c := range r.Checks {
			checked++
			if !c.OK() {
				wrong++
			}
		}
	}
	switch {
	case wrong > 0:
		return card{Name: "totals in SQL", Value: "wrong", About: fmt.Sprintf("%d of %d; see below", wrong, checked), Bad: true}
	case checked == 0:
		return card{Name: "totals in SQL", Value: "not compared", Bad: true}
	}
	return card{Name: "totals in SQL", Value: "right", About: fmt.Sprintf("%d compared with what was answered", checked)}
}
