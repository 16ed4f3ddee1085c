package learning_test

import (
	"context"
	"fmt"

	"sparkle/tasks"
	"sparkle/tasks/learning"
)

func ExampleRecord() {
	book := &ledger{} // package streams has a durable one
	call := learning.TokenUsage{
		UserID: "learner-7", SessionID: "evening", RequestID: "req-1",
		PromptTokens: 1_000, CompletionTokens: 500, Model: "gpt-4",
	}
	for range 2 {
		receipt, err := learning.Record(context.Background(), book, call)
		fmt.Println(receipt.Status, receipt.TotalTokens, "tokens", receipt.CostUSD, "USD", err)
	}
	// Output:
	// recorded 1500 tokens 0.06 USD <nil>
	// already_recorded 1500 tokens 0.06 USD <nil>
}

func ExampleRerank() {
	ranking, err := learning.Rerank(context.Background(), learning.RerankInput{
		Query: "光合作用的产物",
		Documents: []learning.Document{
			{ID: "respiration", Text: "呼吸作用消耗氧气，释放能量。"},
			{ID: "photosynthesis", Text: "光合作用的产物是葡萄糖和氧气。"},
		},
	})
	for _, r := range ranking.Results {
		fmt.Printf("%d. %s %.4f\n", r.Rank, r.ID, r.Score)
	}
	fmt.Println(err)
	// Output:
	// 1. photosynthesis 0.0328
	// 2. respiration 0.0323
	// <nil>
}

func ExampleVisualize() {
	pictures := &gallery{} // package streams has a durable one
	picture, err := learning.Visualize(context.Background(), pictures, learning.Visualization{
		UserID: "learner-7",
		GraphData: learning.GraphData{
			Nodes: []learning.GraphNode{{ID: "limit", Label: "极限"}, {ID: "derivative", Label: "导数"}},
			Edges: []learning.GraphEdge{{From: "limit", To: "derivative", Label: "先修"}},
		},
	})
	fmt.Println(picture.Status, picture.ContentType, picture.Nodes, "nodes", picture.Edges, "edge", err)
	// Output: success image/svg+xml 2 nodes 1 edge <nil>
}

func ExampleDeclare() {
	registry := new(tasks.Registry)
	learning.Declare(registry)
	for _, known := range registry.Types() {
		fmt.Println(known.Name, known.Priority, known.Timeout, known.Retry.Attempts)
	}
	_, err := learning.RerankDocuments.New(learning.RerankInput{Query: "?"})
	fmt.Println(err)
	// Output:
	// record_token_usage low 30s 3
	// rerank_documents low 30s 3
	// visualize_graph low 1m0s 3
	// payload.query: want a letter or a digit
}
