package dashboard

import (
	"encoding/json"

	"github.com/gorilla/websocket"

	"qme/record"
)

// A message is a message to clients of the websocket; docs/dashboard.md lists all types.
type message struct {
	Type string `json:"type"`
	*messageState
	ReadOnly *bool          `json:"read_only,omitempty"`
	Running  *[]summary     `json:"running,omitempty"`
	Added    *[]summary     `json:"added,omitempty"`
	Changed  *[]summary     `json:"changed,omitempty"`
	Removed  []record.ID    `json:"removed,omitzero"`
	Printed  *[]printedLine `json:"printed,omitempty"`
	Behind   *bool          `json:"behind,omitempty"`
	Detail   *string        `json:"detail,omitempty"`
}

type messageState struct {
	Version string  `json:"version"`
	Total   int     `json:"total"`
	Loaded  *loaded `json:"loaded,omitempty"`
}

func messageOf(kind string, st tableState, loaded bool) message {
	m := message{Type: kind, messageState: &messageState{Version: st.Version, Total: st.Total}}
	if loaded {
		m.Loaded = &st.Loaded
	}
	return m
}

func errorMessage(detail string) message { return message{Type: "error", Detail: &detail} }

// An outputMessage carries lines of output to a client that watches a stream.
type outputMessage struct {
	Type    string            `json:"type"`
	ID      record.ID         `json:"id"`
	Stream  record.StreamName `json:"stream"`
	Run     int               `json:"run"`
	Started *record.Time      `json:"started"`
	Line    int               `json:"line"`
	Lines   []string          `json:"lines"`
	Size    int64             `json:"size"`
	Skipped int64             `json:"skipped"`
	Done    bool              `json:"done"`
	mark
}

// encode prepares a message for sending to any number of clients. Messages are plain
// data, so it panics on a failure, which is a bug in this package.
func encode(message any) *websocket.PreparedMessage {
	b, err := json.Marshal(message)
	var m *websocket.PreparedMessage
	if err == nil {
		m, err = websocket.NewPreparedMessage(websocket.TextMessage, b)
	}
	if err != nil {
		panic(err)
	}
	return m
}

// A request is a message from a client.
type request struct {
	Type   string            `json:"type"`
	ID     string            `json:"id"`
	Stream record.StreamName `json:"stream"`
	Offset int64             `json:"offset"`
	Style  string            `json:"style"`
}
