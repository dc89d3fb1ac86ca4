"""Prices, budgets and sums as the app holds them."""

from agent_runtime_service.budgets.admission import ModelBudgets
from agent_runtime_service.budgets.allotment_rows import AllotmentRows
from agent_runtime_service.budgets.book import BudgetBook
from agent_runtime_service.budgets.purses import Purses
from agent_runtime_service.budgets.repository import BudgetRepository
from agent_runtime_service.budgets.service import BudgetService
from agent_runtime_service.clients import AgentCatalog
from agent_runtime_service.prices.book import PriceBook
from agent_runtime_service.prices.money import ModelPrice, per_million
from agent_runtime_service.prices.repository import PriceRepository
from agent_runtime_service.prices.service import PriceService
from agent_runtime_service.settings import RuntimeSettings
from agent_runtime_service.spending.repository import UsageRepository
from kgents_shared.db import HotPool
from kgents_shared.http.background import BackgroundTasks


class MoneyParts:
    """What a front needs to know what models cost and to hold to budgets."""

    def __init__(self, pool: HotPool, catalog: AgentCatalog, settings: RuntimeSettings) -> None:
        unknown_price = settings.unknown_model_price
        self.price_book, budget_book = PriceBook(), BudgetBook()
        self.purses = Purses(AllotmentRows(pool, settings.budget_allotment_s))
        self.prices = PriceService(PriceRepository(pool), self.price_book)
        self.budgets = BudgetService(BudgetRepository(pool), budget_book, catalog)
        self.usage = UsageRepository(pool)
        unknown = None if unknown_price is None else per_million(unknown_price)
        counted_at = None if unknown is None else ModelPrice(unknown, unknown, unknown)
        self.model_budgets = ModelBudgets(self.price_book, budget_book, self.purses, counted_at)

    def start(self, tasks: BackgroundTasks) -> None:
        """Keep what is in memory equal to the tables."""
        tasks.start("runtime prices", self.prices.keep_current)
        tasks.start("runtime budgets", self.budgets.keep_current)
