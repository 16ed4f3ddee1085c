package diagram

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
)

// fonts are names only: the viewer's machine has them or takes what it has.
const fonts = `system-ui, "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif`

const (
	arrowLength = 8.0
	arrowHalf   = 3.5
)

// Render writes the picture: edges first, so that boxes cover what runs behind
// them, labels of edges last.
func render(g Graph, parts []*part, width, height float64) []byte {
	s := &svg{}
	s.printf(`<?xml version="1.0" encoding="UTF-8"?>`+"\n"+
		`<svg xmlns="http://www.w3.org/2000/svg" role="img" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f">`+"\n",
		math.Ceil(width), math.Ceil(height), math.Ceil(width), math.Ceil(height))
	s.printf("<title>%d nodes, %d edges</title>\n"+`<rect width="100%%" height="100%%" fill="#ffffff"/>`+"\n", len(g.Nodes), len(g.Edges))
	s.printf("<g font-family=\"")
	s.text(fonts)
	s.printf("\" text-anchor=\"middle\">\n")
	for _, draw := range []func(*part){s.edges, s.nodes, s.labels} {
		s.printf("<g>\n")
		for _, p := range parts {
			draw(p)
		}
		s.printf("</g>\n")
	}
	s.printf("</g>\n</svg>\n")
	return s.Bytes()
}

type svg struct{ bytes.Buffer }

func (s *svg) printf(format string, args ...any) { fmt.Fprintf(&s.Buffer, format, args...) }

// Text writes what was not written by this package; it cannot become markup.
func (s *svg) text(text string) {
	_ = xml.EscapeText(&s.Buffer, []byte(text)) // a bytes.Buffer has no errors
}

func (s *svg) edges(p *part) {
	starts, ends := p.ports()
	for i, way := range p.paths {
		s.path(p, way, starts[i], ends[i])
	}
	p.eachLoop(func(v, n int, _ block) { s.loop(p, v, n) })
}

// Path draws an edge as a smooth line that is vertical at each of its points and
// all through the height of the layers it crosses.
func (s *svg) path(p *part, way path, from, to point) {
	tip := to
	if way.up {
		tip = from
		from.y += arrowLength - 1
	} else {
		to.y -= arrowLength - 1
	}
	s.WriteString(`<path fill="none" stroke="#64748b" stroke-width="1.2" d="M`)
	s.coordinates(p, from)
	at := from
	for _, v := range way.cells[1 : len(way.cells)-1] {
		c := &p.cells[v]
		s.curve(p, at, point{c.x, c.y - c.height/2})
		at = point{c.x, c.y + c.height/2}
		if c.height > 0 {
			s.WriteByte('L')
			s.coordinates(p, at)
		}
	}
	s.curve(p, at, to)
	s.WriteString("\"/>\n")
	s.arrow(p, tip, 0, map[bool]float64{false: -arrowLength, true: arrowLength}[way.up])
}

func (s *svg) curve(p *part, from, to point) {
	middle := (from.y + to.y) / 2
	s.WriteByte('C')
	s.coordinates(p, point{from.x, middle})
	s.WriteByte(' ')
	s.coordinates(p, point{to.x, middle})
	s.WriteByte(' ')
	s.coordinates(p, to)
}

// Arrow draws an arrow head whose base is dx or dy away from its tip.
func (s *svg) arrow(p *part, tip point, dx, dy float64) {
	s.WriteString(`<path fill="#64748b" d="M`)
	s.coordinates(p, tip)
	for _, side := range []float64{-1, 1} {
		s.WriteByte('L')
		across := point{side * arrowHalf, 0}
		if dx != 0 {
			across = point{0, side * arrowHalf}
		}
		s.coordinates(p, point{tip.x + dx + across.x, tip.y + dy + across.y})
	}
	s.WriteString("Z\"/>\n")
}

func (s *svg) loop(p *part, v, n int) {
	c := &p.cells[v]
	x, rise := c.x+c.width/2, min(6+float64(n), c.height/2-2)
	far := x + reach(n)*4/3 // a cubic curve reaches three quarters of that
	s.WriteString(`<path fill="none" stroke="#64748b" stroke-width="1.2" d="M`)
	s.coordinates(p, point{x, c.y - rise})
	s.WriteByte('C')
	s.coordinates(p, point{far, c.y - 3*rise})
	s.WriteByte(' ')
	s.coordinates(p, point{far, c.y + 3*rise})
	s.WriteByte(' ')
	s.coordinates(p, point{x + arrowLength - 1, c.y + rise})
	s.WriteString("\"/>\n")
	s.arrow(p, point{x, c.y + rise}, arrowLength, 0)
}

func (s *svg) nodes(p *part) {
	for i, n := range p.nodes {
		c := &p.cells[i]
		s.WriteString("<g><title>")
		s.text(plain(p.graph.Nodes[n]))
		s.printf(`</title><rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="8" fill="#eff6ff" stroke="#2563eb"/>`,
			p.x+c.x-c.width/2, p.y+c.y-c.height/2, c.width, c.height)
		s.block(c.text, nodeFont, p.x+c.x, p.y+c.y, `fill="#0f172a"`)
		s.WriteString("</g>\n")
	}
}

// Labels draws the labels of edges on a white rim, for they lie on their lines.
func (s *svg) labels(p *part) {
	for _, way := range p.paths {
		label := p.graph.Edges[way.edge].Label
		if label == "" {
			continue
		}
		if way.label > 0 {
			c := &p.cells[way.label]
			s.label(label, c.text, p.x+c.x, p.y+c.y)
			continue
		}
		a, b := &p.cells[way.cells[0]], &p.cells[way.cells[1]]
		s.label(label, labelBlock(label), p.x+(a.x+b.x)/2, p.y+(a.y+b.y)/2)
	}
	p.eachLoop(func(v, n int, text block) {
		c := &p.cells[v]
		if text.width > 0 {
			y := p.y + c.y + edgeFont*leading*float64(n)
			s.label("", text, p.x+c.x+c.width/2+reach(n)+text.width/2+2, y)
		}
	})
}

func (s *svg) label(whole string, text block, x, y float64) {
	s.WriteString("<g>")
	if whole != "" {
		s.WriteString("<title>")
		s.text(plain(whole))
		s.WriteString("</title>")
	}
	s.block(text, edgeFont, x, y, `fill="#334155" stroke="#ffffff" stroke-width="3" paint-order="stroke"`)
	s.WriteString("</g>\n")
}

func (s *svg) block(text block, font, x, y float64, style string) {
	y -= text.height / 2
	for i, line := range text.lines {
		s.printf(`<text font-size="%.0f" x="%.1f" y="%.1f" %s>`, font, x, y+font*(leading*float64(i)+1), style)
		s.text(line)
		s.WriteString("</text>")
	}
}

func (s *svg) coordinates(p *part, at point) {
	b := s.AvailableBuffer()
	b = strconv.AppendFloat(b, p.x+at.x, 'f', 1, 64)
	b = append(b, ',')
	b = strconv.AppendFloat(b, p.y+at.y, 'f', 1, 64)
	s.Write(b)
}
