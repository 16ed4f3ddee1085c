// Package docs_test holds the pages to the code: links, snippets, words, and in
// its other files the commands, the envelope and the quick start.
package docs_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A page is a file of Markdown, by its path from the root of the project.
type page struct {
	path, text string
}

const root = ".."

// Pages reads all pages of the project.
func pages(t *testing.T) []page {
	t.Helper()
	var list []page
	read := func(path string) {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, page{path, string(text)})
	}
	files, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		read(filepath.Base(file))
	}
	err = filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) == ".md" {
			read(filepath.Join("docs", path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func readPage(t *testing.T, path string) page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return page{path, string(text)}
}

// Blocks returns the fenced blocks of a language.
func (p page) blocks(language string) []string {
	var list []string
	for _, found := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(p.text, -1) {
		list = append(list, found[1])
	}
	return list
}

var (
	fence    = regexp.MustCompile("(?ms)^```.*?^```$")
	codeSpan = regexp.MustCompile("`([^`\n]+)`")
)

// Prose is the page without its fenced blocks.
func (p page) prose() string { return fence.ReplaceAllString(p.text, "") }

// Code is what stands in code spans and in the lines of shell blocks.
func (p page) code() []string {
	var list []string
	for _, found := range codeSpan.FindAllStringSubmatch(p.prose(), -1) {
		list = append(list, found[1])
	}
	for _, block := range p.blocks("sh") {
		list = append(list, strings.Split(strings.TrimSpace(block), "\n")...)
	}
	return list
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	for _, p := range pages(t) {
		for _, found := range link.FindAllStringSubmatch(p.prose(), -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := p.path
			if target != "" {
				path = filepath.Join(filepath.Dir(p.path), target)
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s: link to %s: %v", p.path, found[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(readPage(t, path)), anchor) {
				t.Errorf("%s: link to %s: no such heading", p.path, found[1])
			}
		}
	}
}

// Anchors are the headings of a page as GitHub names them.
func anchors(p page) []string {
	var list []string
	for _, found := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(p.prose(), -1) {
		name := strings.ToLower(regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(found[1], ""))
		list = append(list, strings.ReplaceAll(name, " ", "-"))
	}
	return list
}

// What a page shows as Go stands in a file that is compiled and tested.
func TestGoBlocksStandInTestedFiles(t *testing.T) {
	sources := map[string]string{}
	for _, pattern := range []string{"*.go", "*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources[file] = "\n" + string(text)
		}
	}
	count := 0
	for _, p := range pages(t) {
		for _, block := range p.blocks("go") {
			count++
			if !slices.ContainsFunc(slices.Collect(maps.Values(sources)), func(text string) bool { return strings.Contains(text, "\n"+block) }) {
				t.Errorf("%s: no file under docs has these lines:\n%s", p.path, block)
			}
		}
	}
	if count < 9 {
		t.Errorf("%d blocks of Go found, want all of them", count)
	}
}

func TestPagesKeepTheWords(t *testing.T) {
	synonyms := regexp.MustCompile(`(?i)\b(jobs?|brokers?|topics?|failed queue|enqueue[ds]?|dequeue[ds]?|DLQ)\b`)
	machine := regexp.MustCompile(`(/home/|/Users/|/work/|/tmp/|/root/)\S*`)
	for _, p := range pages(t) {
		// A phase of the bench has the name that the field knows it by.
		text := strings.ReplaceAll(p.text, "`enqueue`", "")
		if found := synonyms.FindAllString(text, -1); len(found) > 0 {
			t.Errorf("%s: has %q; docs/terms.md has the words", p.path, found)
		}
		if found := machine.FindAllString(p.text, -1); len(found) > 0 {
			t.Errorf("%s: has the paths %q of one machine", p.path, found)
		}
	}
}

func TestArchitectureStaysShort(t *testing.T) {
	if lines := strings.Count(readPage(t, "ARCHITECTURE.md").text, "\n"); lines > 150 {
		t.Errorf("ARCHITECTURE.md has %d lines, want at most 150", lines)
	}
}

// Every package of the project is in the README's table, and every one there
// exists.
func TestReadmeListsThePackages(t *testing.T) {
	text := readPage(t, "README.md").text
	_, table, _ := strings.Cut(text, "## Packages")
	table, _, _ = strings.Cut(table, "\n## ")
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(table, -1) {
		for _, found := range codeSpan.FindAllStringSubmatch(row[1], -1) {
			listed = append(listed, found[1])
		}
	}
	for _, name := range listed {
		if files, err := filepath.Glob(filepath.Join(root, name, "*.go")); err != nil || len(files) == 0 {
			t.Errorf("README.md lists package %s, which does not exist", name)
		}
	}
	for _, pattern := range []string{"*", "*/*", "*/*/*"} {
		files, err := filepath.Glob(filepath.Join(root, pattern, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), root+"/")
			if !slices.Contains(listed, name) && !strings.HasPrefix(name, "docs") && filepath.Base(name) != "clitest" {
				t.Errorf("README.md does not list package %s", name)
				listed = append(listed, name)
			}
		}
	}
}
