package bench

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"
)

// plot is a line plot, drawn as SVG. Lines are coloured by their place in the list.
type plot struct {
	Title, About string
	lines        []line
	log          bool                   // a logarithmic y axis
	yText        func(y float64) string // of a tick
	xText        []string               // of x = 0, 1, 2 …; nil: x is in seconds
}

type line struct {
	name   string
	place  int // of the run: its colour
	points []point
}

type point struct{ x, y float64 }

// The drawing's size, and its margins, in SVG's units.
const (
	plotWidth, plotHeight = 560.0, 250.0
	left, right           = 64.0, 14.0
	top, bottom           = 12.0, 30.0
)

// frame maps values to the drawing.
type frame struct {
	xMax, yMin, yMax float64
	log              bool
}

func (f *frame) x(x float64) float64 { return left + x/f.xMax*(plotWidth-left-right) }

func (f *frame) y(y float64) float64 {
	lo, hi := f.yMin, f.yMax
	if f.log {
		y, lo, hi = math.Log10(max(y, lo)), math.Log10(lo), math.Log10(hi)
	}
	return plotHeight - bottom - (y-lo)/(hi-lo)*(plotHeight-top-bottom)
}

// SVG draws the plot.
func (p *plot) SVG() template.HTML {
	f, ticks := p.frame()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`, plotWidth, plotHeight, template.HTMLEscapeString(p.Title))
	for _, t := range ticks {
		y := f.y(t)
		fmt.Fprintf(&b, `<line class="grid" x1="%.0f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, left, plotWidth-right, y, y)
		fmt.Fprintf(&b, `<text x="%.0f" y="%.1f" text-anchor="end">%s</text>`, left-8, y+4, template.HTMLEscapeString(p.yText(t)))
	}
	p.xAxis(&b, f)
	for _, l := range p.lines {
		coordinates := make([]string, len(l.points))
		for i, at := range l.points {
			coordinates[i] = fmt.Sprintf("%.1f,%.1f", f.x(at.x), f.y(at.y))
		}
		fmt.Fprintf(&b, `<polyline class="run%d" points="%s"/>`, l.place, strings.Join(coordinates, " "))
		if len(l.points) <= 40 {
			for i, at := range l.points {
				fmt.Fprintf(&b, `<circle class="run%d" cx="%.1f" cy="%.1f" r="3"><title>%s: %s</title></circle>`,
					l.place, f.x(at.x), f.y(at.y), template.HTMLEscapeString(l.name), template.HTMLEscapeString(p.yText(l.points[i].y)))
			}
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

func (p *plot) xAxis(b *strings.Builder, f *frame) {
	tick := func(x float64, text string) {
		fmt.Fprintf(b, `<text x="%.1f" y="%.0f" text-anchor="middle">%s</text>`, f.x(x), plotHeight-10, text)
	}
	if p.xText != nil {
		for i, text := range p.xText {
			tick(float64(i), text)
		}
		return
	}
	step := niceStep(f.xMax / 6)
	for x := 0.0; x <= f.xMax*0.98; x += step {
		tick(x, fmt.Sprintf("%g s", math.Round(x*100)/100))
	}
}

// frame finds the extent of all lines, and the ticks of the y axis.
func (p *plot) frame() (f *frame, ticks []float64) {
	f = &frame{log: p.log, yMin: math.Inf(1)}
	for _, l := range p.lines {
		for _, at := range l.points {
			f.xMax, f.yMax, f.yMin = max(f.xMax, at.x), max(f.yMax, at.y), min(f.yMin, at.y)
		}
	}
	f.xMax = max(f.xMax, 1)
	if p.log {
		f.yMin = math.Pow(10, math.Floor(math.Log10(max(f.yMin, 1e-6))))
		f.yMax = math.Pow(10, math.Ceil(math.Log10(max(f.yMax, f.yMin*10))))
		for t := f.yMin; t <= f.yMax*1.001; t *= 10 {
			ticks = append(ticks, t)
		}
		return f, ticks
	}
	step := niceStep(max(f.yMax, 1e-9) / 5)
	f.yMin, f.yMax = 0, step*math.Ceil(max(f.yMax, 1e-9)/step)
	for i := 0; float64(i)*step <= f.yMax*1.001; i++ {
		ticks = append(ticks, float64(i)*step)
	}
	return f, ticks
}

// niceStep is the next 1, 2 or 5 times a power of ten.
func niceStep(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= least {
			return n * power
		}
	}
	return 10 * power
}

// seconds is for y values in seconds.
func seconds(s float64) string { return short(time.Duration(s * float64(time.Second))) }
