package redact

import "io"

// Writer hides secrets in a stream, also where one is cut by the border between
// two writes. Every byte that belongs to an occurrence of any secret is hidden;
// occurrences that overlap or touch become one Mask. It is not safe for concurrent
// use.
type Writer struct {
	w       io.Writer
	match   *automaton
	begins  *[256]bool // bytes that may begin something
	pending pending
	plain   int32 // the state of the text as it stands
	percent view  // of the text with URL escapes undone
	json    view  // of the text with JSON escapes undone
	url     userinfo
	masking bool // the last byte written was a secret's
	out     []byte
}

// pending are the bytes that are not decided yet.
type pending struct {
	from   int64 // the first one's place in the stream
	bytes  []byte
	secret []bool // of the same length: the byte belongs to a secret
}

// hide marks the bytes of the stream from start up to end. What was passed on already
// is no more to be hidden: see Release.
func (p *pending) hide(start, end int64) {
	for i := max(0, start-p.from); i < end-p.from; i++ {
		p.secret[i] = true
	}
}

// Write passes on what is certainly no beginning of a secret.
func (m *Writer) Write(b []byte) (int, error) {
	for i := 0; i < len(b); {
		if n := m.skip(b[i:]); n > 0 {
			m.out = append(m.out, b[i:i+n]...)
			i += n
			continue
		}
		m.add(b[i])
		if m.plain == 0 && m.quiet() {
			m.pass(len(m.pending.bytes))
		}
		i++
	}
	m.pass(m.decided())
	if err := m.flush(); err != nil {
		return 0, err
	}
	return len(b), nil
}

// skip is how many bytes at the start of b neither end nor begin anything: most
// of a log.
func (m *Writer) skip(b []byte) (n int) {
	if len(m.pending.bytes) > 0 || !m.quiet() {
		return 0
	}
	for n < len(b) && !m.begins[b[n]] {
		n++
	}
	if n > 0 {
		m.pending.from += int64(n)
		m.masking = false
		m.url.seen = [3]byte{}
	}
	return n
}

// quiet: the text is not within an escape that matters, nor within a URL's host.
func (m *Writer) quiet() bool { return !m.percent.apart && !m.json.apart && !m.url.inside }

func (m *Writer) add(c byte) {
	at := m.pending.from + int64(len(m.pending.bytes))
	m.pending.bytes = append(m.pending.bytes, c)
	m.pending.secret = append(m.pending.secret, false)
	before := m.plain
	if !m.match.empty() {
		m.plain = m.match.next(before, c)
		if n := m.match.found(m.plain); n > 0 {
			m.pending.hide(at+1-int64(n), at+1)
		}
		m.percent.add(c, at, before, m.plain, &m.pending)
		m.json.add(c, at, before, m.plain, &m.pending)
	}
	m.url.add(c, at, &m.pending)
}

// decided is how many of the pending bytes no byte to come can make part of a
// secret: a state is the longest end of the stream that begins one.
func (m *Writer) decided() int {
	end := m.pending.from + int64(len(m.pending.bytes))
	hold := min(end-int64(m.match.depth(m.plain)), m.percent.hold(end), m.json.hold(end), m.url.hold(end))
	return max(0, int(hold-m.pending.from))
}

// Release passes on a single byte that is held because it may begin an escape: a
// progress bar that ends in "10%" would else stand still until it moves on. The sign
// itself says nothing of a secret, whose other bytes are hidden as ever.
func (m *Writer) Release() error {
	if len(m.pending.bytes) == 1 && m.plain == 0 && !m.url.inside && (m.percent.escape.starts(m.pending.bytes[0]) || m.json.escape.starts(m.pending.bytes[0])) {
		m.pass(1)
	}
	return m.flush()
}

// Close passes on what was held back. It does not close the writer.
func (m *Writer) Close() error {
	m.percent.end(&m.pending)
	m.json.end(&m.pending)
	m.url.end(&m.pending)
	m.plain = 0
	m.pass(len(m.pending.bytes))
	return m.flush()
}

// pass hands the first n pending bytes on.
func (m *Writer) pass(n int) {
	if n == 0 {
		return
	}
	p := &m.pending
	for i, c := range p.bytes[:n] {
		switch {
		case !p.secret[i]:
			m.out = append(m.out, c)
		case !m.masking:
			m.out = append(m.out, Mask...)
		}
		m.masking = p.secret[i]
	}
	p.from += int64(n)
	p.bytes = p.bytes[:copy(p.bytes, p.bytes[n:])]
	p.secret = p.secret[:copy(p.secret, p.secret[n:])]
}

func (m *Writer) flush() error {
	if len(m.out) == 0 {
		return nil
	}
	_, err := m.w.Write(m.out)
	m.out = m.out[:0]
	return err
}
