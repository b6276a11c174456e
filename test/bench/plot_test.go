package matrix

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The size of a plot, and its margins.
const (
	plotWidth, plotHeight                   = 560, 330
	plotLeft, plotRight, plotTop, plotFloor = 64, 150, 56, 46
)

// inks are the colours of lines, told apart also by those who see few colours.
var inks = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000"}

// axis turns values into places.
type axis struct {
	low, high float64
	log       bool
	from, to  float64 // in the picture
}

func newAxis(log bool, from, to float64, all []float64) *axis {
	a := &axis{low: math.Inf(1), high: math.Inf(-1), log: log, from: from, to: to}
	for _, f := range all {
		if math.IsNaN(f) || math.IsInf(f, 0) || log && f <= 0 {
			continue
		}
		a.low, a.high = min(a.low, f), max(a.high, f)
	}
	if a.low > a.high {
		a.low, a.high = 1, 1
	}
	if !log {
		a.low = min(a.low, 0)
	}
	if a.low == a.high {
		a.high = a.low + 1
	}
	return a
}

func (a *axis) place(f float64) float64 {
	low, high := a.low, a.high
	if a.log {
		low, high, f = math.Log10(low), math.Log10(high), math.Log10(max(f, a.low))
	}
	return a.from + (f-low)/(high-low)*(a.to-a.from)
}

// marks are round values along the axis.
func (a *axis) marks() (all []float64) {
	if a.log {
		for f := math.Pow(10, math.Floor(math.Log10(a.low))); f <= a.high*1.001; f *= 10 {
			for _, m := range []float64{1, 2, 5} {
				if f*m >= a.low*0.999 && f*m <= a.high*1.001 && (m == 1 || a.high/a.low < 200) {
					all = append(all, f*m)
				}
			}
		}
		return all
	}
	step := math.Pow(10, math.Floor(math.Log10((a.high-a.low)/4)))
	for (a.high-a.low)/step > 6 {
		step *= 2
		if (a.high-a.low)/step > 6 {
			step *= 2.5
		}
	}
	a.high = math.Ceil(a.high/step) * step
	for f := a.low; f <= a.high*1.001; f += step {
		all = append(all, f)
	}
	return all
}

// drawPlot writes a picture that needs nothing else. Its paper is white, so that it
// can be read on a dark page too.
func drawPlot(p *Plot) string {
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="12">`,
		plotWidth, plotHeight, plotWidth, plotHeight)
	fmt.Fprintf(&s, "\n<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"#fff\"/>\n", plotWidth, plotHeight)
	text(&s, 16, 24, `font-size="14" font-weight="600" fill="#1d2733"`, p.Title)
	text(&s, 16, 42, `fill="#66727f"`, p.About)
	var xs, ys []float64
	for _, one := range p.Series {
		xs, ys = append(xs, one.X...), append(ys, one.Y...)
	}
	x := newAxis(p.LogX, plotLeft, plotWidth-plotRight, xs)
	if !p.LogX && len(xs) > 0 {
		x.low = min(xs[0], x.high) // a line over time need not begin at 0
	}
	y := newAxis(p.LogY, plotHeight-plotFloor, plotTop, ys)
	drawAxes(&s, p, x, y, xs)
	for i := range p.Series {
		drawSeries(&s, &p.Series[i], i, x, y)
	}
	s.WriteString("</svg>\n")
	return s.String()
}

func text(s *strings.Builder, x, y float64, style, what string) {
	fmt.Fprintf(s, "<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>\n", x, y, style, html.EscapeString(what))
}

func drawAxes(s *strings.Builder, p *Plot, x, y *axis, xs []float64) {
	for _, f := range y.marks() {
		at := y.place(f)
		fmt.Fprintf(s, "<path d=\"M%d %.1fH%d\" stroke=\"#e3e7eb\"/>\n", plotLeft, at, plotWidth-plotRight)
		text(s, plotLeft-8, at+4, `text-anchor="end" fill="#66727f"`, short(f))
	}
	marks := x.marks()
	if distinct := distinctOf(xs); len(distinct) <= 8 {
		marks = distinct // the places that were measured say more than round ones
	}
	for _, f := range marks {
		text(s, x.place(f), plotHeight-plotFloor+18, `text-anchor="middle" fill="#66727f"`, short(f))
	}
	text(s, (plotLeft+plotWidth-plotRight)/2, plotHeight-10, `text-anchor="middle" fill="#66727f"`, p.XLabel)
	text(s, 16, plotTop-2, `fill="#66727f" font-size="11"`, p.YLabel)
}

func distinctOf(all []float64) (some []float64) {
	met := map[float64]bool{}
	for _, f := range all {
		if !met[f] {
			met[f] = true
			some = append(some, f)
		}
	}
	return some
}

func drawSeries(s *strings.Builder, one *Series, i int, x, y *axis) {
	ink := inks[i%len(inks)]
	var points strings.Builder
	for j := range one.X {
		fmt.Fprintf(&points, "%.1f,%.1f ", x.place(one.X[j]), y.place(one.Y[j]))
	}
	fmt.Fprintf(s, "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linejoin=\"round\"/>\n", strings.TrimSpace(points.String()), ink)
	if len(one.X) <= 12 {
		for j := range one.X {
			fmt.Fprintf(s, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\" fill=\"%s\"/>\n", x.place(one.X[j]), y.place(one.Y[j]), ink)
		}
	}
	at := float64(plotTop + 8 + 18*i)
	fmt.Fprintf(s, "<path d=\"M%d %.1fh18\" stroke=\"%s\" stroke-width=\"3\"/>\n", plotWidth-plotRight+14, at, ink)
	text(s, plotWidth-plotRight+38, at+4, `fill="#1d2733"`, one.Name)
}

// short writes a number beside an axis.
func short(f float64) string {
	switch a := math.Abs(f); {
	case a >= 1e6:
		return trimmed(f/1e6) + " M"
	case a >= 1e3:
		return trimmed(f/1e3) + " k"
	}
	return trimmed(f)
}

func trimmed(f float64) string {
	t := fmt.Sprintf("%.2f", f)
	return strings.TrimSuffix(strings.TrimRight(t, "0"), ".")
}
