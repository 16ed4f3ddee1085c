package learning

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// NanoUSD is an amount of money in billionths of a US dollar. It is an integer
// because sums of floats drift, and this small because prices of a token are
// exact in it down to $0.001 per million tokens; micro-dollars are too coarse
// for today's cheap models.
type NanoUSD int64

// String returns the amount in dollars with all digits that count: "0.0105".
func (n NanoUSD) String() string {
	sign, rest := "", uint64(n)
	if n < 0 {
		sign, rest = "-", -rest
	}
	text := fmt.Sprintf("%s%d.%09d", sign, rest/1e9, rest%1e9)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// nanoUSD rounds to the nearest billionth of a dollar. Below maxCost, where a
// float64 still has more digits than that, it restores exactly the decimal that
// was written in the JSON.
func nanoUSD(dollars float64) NanoUSD {
	text := strconv.FormatFloat(math.Abs(dollars), 'f', 9, 64)
	n, _ := strconv.ParseInt(strings.Replace(text, ".", "", 1), 10, 64)
	return NanoUSD(n)
}

// A price is what one token of a model costs.
type price struct{ prompt, completion NanoUSD }

// PriceOf returns the list price of a model by its exact name. There is no
// fallback: charging an unknown model as some other invents a number.
func priceOf(model string) (price, bool) {
	switch model {
	case "gpt-4":
		return price{30_000, 60_000}, true // $0.03 and $0.06 per 1,000 tokens
	case "gpt-4-turbo":
		return price{10_000, 30_000}, true
	case "gpt-3.5-turbo":
		return price{1_000, 2_000}, true
	default:
		return price{}, false
	}
}

func (p price) of(prompt, completion int64) NanoUSD {
	return p.prompt*NanoUSD(prompt) + p.completion*NanoUSD(completion)
}
