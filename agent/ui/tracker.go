package ui

import "time"

// tracker follows what another program does to the terminal, as far as it matters
// for drawing beside it (ECMA-48; xterm's control sequences).
type tracker struct {
	state  parseState
	start  bool      // the cursor is at the start of a fresh line
	aside  bool      // the alternate screen is shown: an editor, a pager
	hidden bool      // the cursor is hidden: it draws
	styled bool      // colours are on
	raised time.Time // when the cursor was last moved to another line
	params []byte    // of the sequence under way
	more   int       // bytes that the UTF-8 character under way still needs
}

type parseState int

const (
	ground parseState = iota
	inEscape
	inControl // CSI
	inString  // OSC, DCS and the like, up to BEL or ST
	inStringEscape
	inRune
)

// maxParams bounds what is kept of a sequence.
const maxParams = 32

func (t *tracker) feed(p []byte, now time.Time) {
	for _, b := range p {
		switch t.state {
		case ground:
			t.plain(b)
		case inRune:
			if t.more--; t.more <= 0 || b&0xc0 != 0x80 {
				t.state = ground
			}
		case inEscape:
			t.escape(b, now)
		case inControl:
			t.control(b, now)
		case inString:
			switch b {
			case 0x07, 0x18, 0x1a:
				t.state = ground
			case 0x1b:
				t.state = inStringEscape
			}
		case inStringEscape:
			t.state = ground // ESC \ ends it, and anything else does too
		}
	}
}

func (t *tracker) plain(b byte) {
	switch {
	case b == 0x1b:
		t.state = inEscape
	case b == '\n':
		t.start = true
	case b == '\r', b == 0x07:
	case b < 0x20:
		t.start = false // tabs, backspaces
	default:
		t.start = false
		if b >= 0xc0 {
			t.state, t.more = inRune, 1
			if b >= 0xe0 {
				t.more++
			}
			if b >= 0xf0 {
				t.more++
			}
		}
	}
}

func (t *tracker) escape(b byte, now time.Time) {
	switch {
	case b == '[':
		t.state, t.params = inControl, t.params[:0]
		return
	case b == ']' || b == 'P' || b == 'X' || b == '^' || b == '_':
		t.state = inString
		return
	case b >= 0x20 && b < 0x30: // intermediate bytes
		return
	case b == 'M' || b == 'D' || b == 'E' || b == '8' || b == 'c':
		t.raised, t.start = now, false
	}
	t.state = ground
}

func (t *tracker) control(b byte, now time.Time) {
	if b < 0x40 || b > 0x7e {
		if b >= 0x20 && len(t.params) < maxParams {
			t.params = append(t.params, b)
		}
		if b == 0x1b {
			t.state = inEscape
		}
		return
	}
	t.state = ground
	switch b {
	case 'A', 'B', 'E', 'F', 'H', 'd', 'f', 'L', 'S', 'T', 'r', 'u':
		t.raised, t.start = now, false
	case 'C', 'D', 'G':
		t.start = false
	case 'm':
		t.styled = string(t.params) != "" && string(t.params) != "0"
	case 'h', 'l':
		t.mode(b == 'h')
	}
}

func (t *tracker) mode(on bool) {
	switch string(t.params) {
	case "?25":
		t.hidden = !on
	case "?47", "?1047", "?1049":
		t.aside = on
	}
}
