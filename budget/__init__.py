"""The money: what may be spent, what is set aside, what was spent. Nothing here knows what it is spent on."""

from budget.client import Budget, BudgetFactory, local_budget, mistake_of
from budget.commands import ALERT_PERCENTS, Alert, Answer, Close, Open, Refusal, Verdict
from budget.money import Amount, Limit, Period, dollars
from budget.outbox import Told
from budget.prices import Price, PriceList, load_prices, price_of
from budget.standing import AccountStanding, Standing

__all__ = [
    "ALERT_PERCENTS",
    "AccountStanding",
    "Alert",
    "Amount",
    "Answer",
    "Budget",
    "BudgetFactory",
    "Close",
    "Limit",
    "Open",
    "Period",
    "Price",
    "PriceList",
    "Refusal",
    "Standing",
    "Told",
    "Verdict",
    "dollars",
    "load_prices",
    "local_budget",
    "mistake_of",
    "price_of",
]
