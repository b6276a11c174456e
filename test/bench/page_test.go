package matrix

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writePage writes benchmarks.md and its plots from all sections that have been
// measured.
func writePage(dir string) error {
	results := filepath.Join(dir, "benchmarks")
	all, err := loadSections(results)
	if err != nil {
		return err
	}
	var p strings.Builder
	p.WriteString(pageHead)
	p.WriteString("\n## Results\n\nThe median of the rounds, with the least and the greatest. A figure where Lull loses stays here.\n\n")
	p.WriteString("| what | against | wanted | got | met |\n|---|---|---|---|---|\n")
	for _, s := range all {
		for _, r := range s.Rows {
			writeLine(&p, []string{r.What, r.Against, r.Wanted, r.Got, r.Met})
		}
	}
	p.WriteString("\n## When and where\n\n")
	writeMachines(&p, all)
	for _, s := range all {
		if err := writeSection(&p, s, results); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "benchmarks.md"), []byte(p.String()), 0o644)
}

const pageHead = `# Benchmarks

Written by ` + "`make bench`" + ` (see [benchmarking](benchmarking.md)), which anybody can run. What is compared runs in turn in the same run, A B A B, on one
machine with its load: a ratio is worth more than a rate here, and the CPU time of the server process more than both.
`

func writeMachines(p *strings.Builder, all []*Section) {
	p.WriteString("| section | date (UTC) | commit | scale | rounds | took | CPUs |\n|---|---|---|---|---|---|---|\n")
	var machines []string
	for _, s := range all {
		version := s.Commit
		if s.Changed {
			version += " and changes"
		}
		scale := s.Scale
		if !s.Complete {
			scale += ", not complete"
		}
		writeLine(p, []string{s.Title, s.Date, version, scale, fmt.Sprint(s.Rounds), fmt.Sprintf("%.0f s", s.TookSeconds), s.Pinned})
		text := s.Machine.String()
		if len(machines) == 0 || machines[len(machines)-1] != text {
			machines = append(machines, text)
		}
	}
	for _, m := range machines {
		fmt.Fprintf(p, "\nMachine: %s.\n", m)
	}
}

func writeSection(p *strings.Builder, s *Section, results string) error {
	fmt.Fprintf(p, "\n## %s\n\n", s.Title)
	for _, line := range s.About {
		fmt.Fprintf(p, "- %s\n", line)
	}
	for i, plot := range s.Plots {
		name := fmt.Sprintf("%s-%d.svg", s.Name, i+1)
		if err := os.WriteFile(filepath.Join(results, name), []byte(drawPlot(&plot)), 0o644); err != nil {
			return err
		}
		if i == 0 {
			p.WriteString("\n")
		}
		fmt.Fprintf(p, "![%s](benchmarks/%s)\n", plot.Title, name)
	}
	for _, t := range s.Tables {
		fmt.Fprintf(p, "\n### %s\n\n", t.Title)
		if t.About != "" {
			fmt.Fprintf(p, "%s\n\n", t.About)
		}
		writeLine(p, t.Head)
		p.WriteString(strings.Repeat("|---", len(t.Head)) + "|\n")
		for _, line := range t.Lines {
			writeLine(p, line)
		}
	}
	return nil
}

func writeLine(p *strings.Builder, cells []string) {
	p.WriteString("| " + strings.ReplaceAll(strings.Join(cells, " | "), "\n", " ") + " |\n")
}
