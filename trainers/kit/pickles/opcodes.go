package pickles

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const stop = '.'

// opcode reads its argument and does what pickle.py does with the stack.
type opcode struct {
	read func(*machine) (argument, error)
	do   func(*machine) error
}

// opcodes are those of protocols 0 to 5 (Python's Lib/pickle.py), without the extension
// registry, whose names this program cannot know.
var opcodes = func() map[byte]opcode {
	all := map[byte]opcode{
		'(':  {none, func(m *machine) error { m.marks = append(m.marks, len(m.stack)); return nil }},
		'1':  {none, func(m *machine) error { _, err := m.toMark(); return err }},
		'0':  {none, popOne},
		'2':  {none, duplicate},
		'c':  {twoLines, func(m *machine) error { m.push(m.load(Global{m.arg.text, m.arg.second})); return nil }},
		0x93: {none, stackGlobal},
		'i':  {twoLines, instance},
		'o':  {none, object},
		'R':  {none, callTop(2)}, 0x81: {none, callTop(2)}, 0x92: {none, callTop(3)},
		'b': {none, replace(2)}, 'a': {none, replace(2)}, 's': {none, replace(3)},
		'e': {none, appendMarked}, 'u': {none, appendMarked}, 0x90: {none, appendMarked},
		'l': {none, collect}, 't': {none, collect}, 'd': {none, collect}, 0x91: {none, collect},
		0x85: {none, replace(1)}, 0x86: {none, replace(2)}, 0x87: {none, replace(3)},
		'p': {decimal, store}, 'q': {number(1), store}, 'r': {number(4), store},
		'g': {decimal, recall}, 'h': {number(1), recall}, 'j': {number(4), recall},
		0x94: {none, func(m *machine) error { m.arg.number = uint64(len(m.memo)); return store(m) }},
		'P':  {line, push}, 'Q': {none, replace(1)},
		0x98: {none, replace(1)},
		0x80: {number(1), protocol}, 0x95: {number(8), nothing}, stop: {none, nothing},
	}
	for _, code := range []byte{'N', 0x88, 0x89, ']', ')', '}', 0x8f, 0x97} {
		all[code] = opcode{none, push}
	}
	for _, code := range []byte{'I', 'L', 'F'} {
		all[code] = opcode{line, push}
	}
	all['S'], all['V'] = opcode{line, pushQuoted}, opcode{line, pushText}
	for code, bytes := range map[byte]int{'K': 1, 'M': 2, 'J': 4, 'G': 8} {
		all[code] = opcode{number(bytes), push}
	}
	for code, bytes := range map[byte]int{'U': 1, 'T': 4, 0x8c: 1, 'X': 4, 0x8d: 8} {
		all[code] = opcode{counted(bytes), pushText}
	}
	for code, bytes := range map[byte]int{'C': 1, 'B': 4, 0x8e: 8, 0x96: 8, 0x8a: 1, 0x8b: 4} {
		all[code] = opcode{counted(bytes), push}
	}
	return all
}()

func nothing(*machine) error { return nil }
func push(m *machine) error  { m.push(value{}); return nil }

func protocol(m *machine) error {
	if m.arg.number > 5 {
		return fmt.Errorf("protocol %d is unknown", m.arg.number)
	}
	return nil
}

func pushText(m *machine) error {
	if strings.Contains(m.arg.text, `\`) { // escapes of UNICODE, which no name needs
		return push(m)
	}
	m.push(value{text: m.arg.text, known: m.arg.whole})
	return nil
}

// pushQuoted is STRING, a Python literal in quotes.
func pushQuoted(m *machine) error {
	text := strings.TrimSpace(m.arg.text)
	if len(text) < 2 || text[0] != text[len(text)-1] || text[0] != '\'' && text[0] != '"' {
		return errors.New("a string has no quotes")
	}
	m.arg.text = text[1 : len(text)-1]
	return pushText(m)
}

// popOne takes a value, or the mark where there is none above it.
func popOne(m *machine) error {
	if len(m.stack) == m.floor() && len(m.marks) > 0 {
		m.marks = m.marks[:len(m.marks)-1]
		return nil
	}
	_, err := m.pop(1)
	return err
}

func duplicate(m *machine) error {
	top, err := m.pop(1)
	if err != nil {
		return err
	}
	v := top[0]
	m.push(v)
	m.push(v)
	return nil
}

// replace takes some values and gives one that nothing is known of.
func replace(taken int) func(*machine) error {
	return func(m *machine) error {
		if _, err := m.pop(taken); err != nil {
			return err
		}
		return push(m)
	}
}

// callTop calls what lies deepest of count values.
func callTop(count int) func(*machine) error {
	return func(m *machine) error {
		values, err := m.pop(count)
		if err != nil {
			return err
		}
		m.call(values[0])
		return push(m)
	}
}

func stackGlobal(m *machine) error {
	names, err := m.pop(2)
	if err != nil {
		return err
	}
	if !names[0].known || !names[1].known {
		return errors.New("it computes the name of what it loads")
	}
	m.push(m.load(Global{names[0].text, names[1].text}))
	return nil
}

// instance is INST: a class named in the opcode, its arguments above a mark.
func instance(m *machine) error {
	if _, err := m.toMark(); err != nil {
		return err
	}
	m.call(m.load(Global{m.arg.text, m.arg.second}))
	return push(m)
}

// object is OBJ: the class is the first value above the mark.
func object(m *machine) error {
	values, err := m.toMark()
	if err != nil || len(values) == 0 {
		return errors.Join(err, errStack)
	}
	m.call(values[0])
	return push(m)
}

// appendMarked adds the values above the mark to the container below it.
func appendMarked(m *machine) error {
	if _, err := m.toMark(); err != nil {
		return err
	}
	if len(m.stack) <= m.floor() {
		return errStack
	}
	return nil
}

func collect(m *machine) error {
	if _, err := m.toMark(); err != nil {
		return err
	}
	return push(m)
}

func store(m *machine) error {
	if len(m.stack) <= m.floor() {
		return errStack
	}
	m.memo[m.arg.number] = m.stack[len(m.stack)-1]
	return nil
}

func recall(m *machine) error {
	v, there := m.memo[m.arg.number]
	if !there {
		return fmt.Errorf("there is nothing at %d of the memo", m.arg.number)
	}
	m.push(v)
	return nil
}

// decimal is an index of the memo on a line.
func decimal(m *machine) (argument, error) {
	a, err := line(m)
	if err != nil {
		return a, err
	}
	a.number, err = strconv.ParseUint(strings.TrimSpace(a.text), 10, 63)
	return a, err
}
