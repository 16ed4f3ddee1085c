package main

import (
	"sparkle/internal/cli"
)

type version struct{}

// Run prints what was built; kong calls it.
func (version) Run(s *session) error {
	b := cli.ReadBuild()
	return cli.Object{Value: b, Name: b.Version, Page: func(p *cli.Page) {
		p.Field("sparkle", b.Version)
		p.Field("revision", b.Revision)
		p.Field("built of", b.Time)
		if b.Modified {
			p.Field("modified", "yes, from files that were not committed")
		}
		p.Field("go", b.Go)
		p.Field("platform", b.Platform)
	}}.Print(s.printer())
}
