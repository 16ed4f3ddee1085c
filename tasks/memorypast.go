package tasks

import (
	"container/list"
	"slices"
)

// A memoryPast is what a [Memory] remembers of its runs, within bounds. The
// Memory's mutex guards it.
type memoryPast struct {
	maxEnded, maxDead int
	events            map[string][]Event // by id
	ended             *list.List         // ids that do not live, by their end
	endings           map[string]*list.Element
	dead              []DeadLetter
}

const maxEvents = 200 // kept of one id

func newMemoryPast(maxEnded, maxDead int) memoryPast {
	return memoryPast{
		maxEnded: maxEnded, maxDead: maxDead, events: map[string][]Event{},
		ended: list.New(), endings: map[string]*list.Element{},
	}
}

// Add remembers an event. Of the reports of one lease the last is kept, so that
// a long run does not push out the errors of its earlier attempts.
func (p *memoryPast) add(e Event) {
	events := p.events[e.ID]
	if n := len(events); n > 0 && e.State == Running {
		last := events[n-1]
		if last.State == Running && last.Run == e.Run && last.Attempt == e.Attempt && last.Lost == e.Lost {
			events[n-1] = e
			return
		}
	}
	if events = append(events, e); len(events) > maxEvents {
		events = slices.Clone(events[len(events)-maxEvents:])
	}
	p.events[e.ID] = events
}

// Bury keeps a dead letter with the events of its run.
func (p *memoryPast) bury(d DeadLetter) {
	for _, e := range p.events[d.ID] {
		if e.Run == d.Run {
			d.History = append(d.History, e)
		}
	}
	if p.dead = append(p.dead, d); len(p.dead) > p.maxDead {
		p.dead = slices.Delete(p.dead, 0, 1)
	}
}

// End lets the events of an id be forgotten, after those that ended before.
func (p *memoryPast) end(id string) {
	p.endings[id] = p.ended.PushBack(id)
	if p.ended.Len() <= p.maxEnded {
		return
	}
	oldest := p.ended.Remove(p.ended.Front()).(string)
	delete(p.endings, oldest)
	delete(p.events, oldest)
}

// Revive keeps the events of an id while it lives again.
func (p *memoryPast) revive(id string) {
	if e := p.endings[id]; e != nil {
		p.ended.Remove(e)
		delete(p.endings, id)
	}
}
