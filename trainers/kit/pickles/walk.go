package pickles

import (
	"bufio"
	"errors"
	"fmt"
)

// The bounds of one pickle: more than weights ever need.
const (
	maxOpcodes = 20_000_000
	maxDepth   = 1_000_000 // values on the stack
	maxMemo    = 4_000_000
	maxLine    = 1 << 16 // bytes of an argument that ends with its line
	maxText    = 512     // bytes of a string that may be a name
)

// Report is what a pickle would do.
type Report struct {
	Refused []Global // names that weights do not need, in order, each once
	Calls   bool     // one of them is called
}

// refused remembers a name. They are few: a list of thousands says no more.
func (r *Report) refused(g Global) {
	const most = 20
	for _, known := range r.Refused {
		if known == g {
			return
		}
	}
	if len(r.Refused) < most {
		r.Refused = append(r.Refused, g)
	}
}

// Walk reads one pickle as far as its STOP. An error means that it was not understood;
// what the report says until there is true. io.EOF: there is no pickle.
func Walk(in *bufio.Reader, also Names) (Report, error) {
	m := &machine{in: in, also: also, memo: map[uint64]value{}}
	for i := range maxOpcodes {
		code, err := in.ReadByte()
		if err != nil && i > 0 {
			err = whole(err)
		}
		if err != nil {
			return m.report, err
		}
		op, known := opcodes[code]
		if !known {
			return m.report, fmt.Errorf("the opcode 0x%02x is unknown", code)
		}
		if m.arg, err = op.read(m); err != nil {
			return m.report, fmt.Errorf("reading the argument of opcode 0x%02x: %w", code, err)
		}
		if code == stop {
			return m.report, nil
		}
		if err := op.do(m); err != nil {
			return m.report, fmt.Errorf("opcode 0x%02x: %w", code, err)
		}
		if len(m.stack) > maxDepth || len(m.marks) > maxDepth || len(m.memo) > maxMemo {
			return m.report, errors.New("it is larger than weights ever are")
		}
	}
	return m.report, errors.New("it has more opcodes than weights ever need")
}

// value is what is known of a thing on the stack.
type value struct {
	text   string // of a short string
	known  bool   // text is the string
	global bool   // a name was loaded
	bad    bool   // and refused
}

// argument is what follows an opcode.
type argument struct {
	number uint64
	text   string
	whole  bool // text is all of it
	second string
}

// machine is Python's unpickler without its effects.
type machine struct {
	in     *bufio.Reader
	also   Names
	stack  []value
	marks  []int // heights of the stack
	memo   map[uint64]value
	arg    argument
	report Report
}

var errStack = errors.New("the stack is too short")

// floor is below what nothing may be taken until the mark is gone.
func (m *machine) floor() int {
	if n := len(m.marks); n > 0 {
		return m.marks[n-1]
	}
	return 0
}

func (m *machine) push(v value) { m.stack = append(m.stack, v) }

func (m *machine) pop(count int) ([]value, error) {
	if len(m.stack)-count < m.floor() {
		return nil, errStack
	}
	taken := m.stack[len(m.stack)-count:]
	m.stack = m.stack[:len(m.stack)-count]
	return taken, nil
}

// toMark takes what lies above the last mark, and the mark.
func (m *machine) toMark() ([]value, error) {
	if len(m.marks) == 0 {
		return nil, errors.New("there is no mark")
	}
	at := m.floor()
	m.marks = m.marks[:len(m.marks)-1]
	taken := m.stack[at:]
	m.stack = m.stack[:at]
	return taken, nil
}

// load is a name that is looked up.
func (m *machine) load(g Global) value {
	if g.Allowed() || m.also != nil && m.also(g) {
		return value{global: true}
	}
	m.report.refused(g)
	return value{global: true, bad: true}
}

// call notes that something is called. What came out of an earlier call can be a
// function too, but only one that an allowed name made.
func (m *machine) call(v value) {
	m.report.Calls = m.report.Calls || v.bad
}
