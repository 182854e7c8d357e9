package hub

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/vision-platform/trainer-agent/contract"
)

// receipt is what publishing leaves in the database: where everything is, and what a list
// shows of it.
type receipt struct {
	contract.Release
	Card contract.Card `json:"card"`
}

// card is what a list shows of the package: its capabilities, with the words that its author
// gave the upload in place of theirs.
func (w *Work) card(ctx context.Context, capabilities []byte) (contract.Card, error) {
	said, err := w.records.Metadata(ctx, w.task.ID)
	if err != nil {
		return contract.Card{}, err
	}
	return cardOf(capabilities, said)
}

// cardOf reads what a stranger wrote twice: in the package, and beside it.
func cardOf(capabilities, said []byte) (card contract.Card, err error) {
	var inside contract.Capabilities
	if err := json.Unmarshal(capabilities, &inside); err != nil {
		return card, fmt.Errorf("reading capabilities.json: %w", err)
	}
	card = contract.Card{DisplayName: inside.DisplayName, Description: inside.Description, License: inside.License, Tasks: []string{}}
	for _, task := range inside.TaskTypes {
		if task.Supported {
			card.Tasks = append(card.Tasks, task.Name)
		}
	}
	var own contract.Card
	if err := json.Unmarshal(said, &own); err != nil {
		return card, fmt.Errorf("reading the upload's metadata: %w", err)
	}
	if own.DisplayName != "" {
		card.DisplayName = own.DisplayName
	}
	if own.Description != "" {
		card.Description = own.Description
	}
	return card, nil
}
