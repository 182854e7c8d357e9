package redact

// view looks for words in the stream with one kind of escape undone. As long as
// there is no escape it sees what the plain text shows, and costs nothing.
type view struct {
	escape  escape
	match   *automaton
	apart   bool    // it has seen an escape that still matters
	state   int32   // while apart
	starts  []int64 // while apart: where in the stream the last bytes begin, by count
	count   int64   // bytes seen while apart
	since   int     // of them since the last escape
	held    []byte  // of an escape that is not complete
	heldAt  int64   // where it begins
	decoded []byte
}

// escape is one way to write a byte as others.
type escape interface {
	// starts tells whether c begins an escape.
	starts(c byte) bool
	// undo appends what the escape stands for, once it is complete. While it is
	// not, more is true. With both absent it is no escape.
	undo(to, text []byte) (decoded []byte, more bool)
}

func newView(e escape, r *Redactor) view {
	return view{escape: e, match: r.match, starts: make([]int64, r.longest+1)}
}

// add takes the next byte of the stream. before and after are the plain text's
// states around it.
func (v *view) add(c byte, at int64, before, after int32, p *pending) {
	if !v.apart {
		if !v.escape.starts(c) {
			return
		}
		v.part(before, at)
	}
	v.take(c, at, p)
	if len(v.held) == 0 && v.state == after && v.match.depth(after) <= v.since {
		v.apart = false
	}
}

// part leaves the plain text: what that has seen is seen here too.
func (v *view) part(state int32, at int64) {
	v.apart, v.state, v.count, v.since = true, state, 0, 0
	for i := int64(v.match.depth(state)); i > 0; i-- {
		v.note(at - i)
	}
}

func (v *view) note(start int64) {
	v.starts[v.count%int64(len(v.starts))] = start
	v.count++
}

func (v *view) take(c byte, at int64, p *pending) {
	if len(v.held) == 0 {
		if v.escape.starts(c) {
			v.held, v.heldAt = append(v.held, c), at
			return
		}
		v.see(c, at, at+1, p)
		v.since++
		return
	}
	v.held = append(v.held, c)
	decoded, more := v.escape.undo(v.decoded[:0], v.held)
	v.decoded = decoded
	switch {
	case more:
	case len(decoded) > 0:
		for _, b := range decoded {
			v.see(b, v.heldAt, at+1, p)
		}
		v.held, v.since = v.held[:0], 0
	default:
		v.giveUp(p)
	}
}

// giveUp takes the first byte of what is held for what it is, and the others
// again: one of them may begin an escape.
func (v *view) giveUp(p *pending) {
	var room [16]byte
	text, at := append(room[:0], v.held...), v.heldAt
	v.held = v.held[:0]
	v.see(text[0], at, at+1, p)
	v.since++
	for i, c := range text[1:] {
		v.take(c, at+1+int64(i), p)
	}
}

// see advances by one byte that stands for the stream's from start up to end.
func (v *view) see(b byte, start, end int64, p *pending) {
	v.state = v.match.next(v.state, b)
	v.note(start)
	if n := v.match.found(v.state); n > 0 {
		p.hide(v.starts[(v.count-int64(n))%int64(len(v.starts))], end)
	}
}

// hold is the place from which bytes may still become part of a secret.
func (v *view) hold(end int64) int64 {
	switch {
	case !v.apart:
		return end
	case v.match.depth(v.state) > 0:
		return v.starts[(v.count-int64(v.match.depth(v.state)))%int64(len(v.starts))]
	case len(v.held) > 0:
		return v.heldAt
	}
	return end
}

// end: nothing more comes.
func (v *view) end(p *pending) {
	for len(v.held) > 0 {
		v.giveUp(p)
	}
	v.apart, v.state = false, 0
}
