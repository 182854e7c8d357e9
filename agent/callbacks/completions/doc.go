// Package completions lets the child have its explanations put into words by a
// language model, without the key and within a budget.
//
// It promises that the key never leaves the agent but to the configured server,
// that a job spends no more calls, tokens and money than it may, even if the child
// hangs up on every question, that an equal question is asked once, and that no
// answer takes longer than Patience. It speaks OpenAI's chat completions, the protocol
// of every compatible server, and leaves the questions to the trainer: what a trainer
// does without an answer is its own matter.
package completions
