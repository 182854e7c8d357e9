package completions

import (
	"fmt"
	"sync"
)

// Limits is what one job may spend. A zero is none of it.
type Limits struct {
	Calls  int
	Tokens int64
	Cost   float64 // in the currency of the prices

	InputPrice, OutputPrice float64 // of a million tokens
}

// Spent is what a job has spent so far.
type Spent struct {
	Calls  int
	Tokens int64
	Cost   float64
}

// usage is what the server says that an answer took.
type usage struct {
	Input  int64 `json:"prompt_tokens"`
	Output int64 `json:"completion_tokens"`
}

// most that is believed of one answer's tokens.
const credible = 1 << 32

// believed is the usage, or none where no answer takes that much or less than nothing.
func (u usage) believed() usage {
	if min(u.Input, u.Output) < 0 || max(u.Input, u.Output) > credible {
		return usage{}
	}
	return u
}

// budget counts. What a call may take is reserved before it, so that calls at the same
// time do not overdraw it together.
type budget struct {
	Limits
	mu       sync.Mutex
	spent    Spent
	reserved Spent
}

func (b *budget) worth(u usage) Spent {
	return Spent{
		Calls: 1, Tokens: u.Input + u.Output,
		Cost: (float64(u.Input)*b.InputPrice + float64(u.Output)*b.OutputPrice) / 1e6,
	}
}

// reserve takes the most that a call may take, or says which limit has no room for it.
func (b *budget) reserve(most usage) (Spent, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	want := b.worth(most)
	switch {
	case b.spent.Calls+b.reserved.Calls+1 > b.Calls:
		return Spent{}, fmt.Errorf("the job's %d calls are spent (AGENT_LLM_MAX_CALLS)", b.Calls)
	case b.spent.Tokens+b.reserved.Tokens+want.Tokens > b.Tokens:
		return Spent{}, fmt.Errorf("the job's %d tokens are spent (AGENT_LLM_MAX_TOKENS)", b.Tokens)
	case b.spent.Cost+b.reserved.Cost+want.Cost > b.Cost:
		return Spent{}, fmt.Errorf("the job's budget of %g is spent (AGENT_LLM_MAX_COST)", b.Cost)
	}
	b.reserved = b.reserved.plus(want, 1)
	return want, nil
}

// settle replaces a reservation by what the call really took.
func (b *budget) settle(reserved Spent, took usage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reserved = b.reserved.plus(reserved, -1)
	if took != (usage{}) {
		b.spent = b.spent.plus(b.worth(took), 1)
	}
}

func (s Spent) plus(other Spent, sign int) Spent {
	return Spent{s.Calls + sign*other.Calls, s.Tokens + int64(sign)*other.Tokens, s.Cost + float64(sign)*other.Cost}
}
