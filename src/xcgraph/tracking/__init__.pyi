from .csv_file import CsvTracker as CsvTracker
from .none import NoTracker as NoTracker
from .tensorboard_events import TensorBoardTracker as TensorBoardTracker
from .tracker import RunEnd as RunEnd
from .tracker import RunStart as RunStart
from .tracker import Tracker as Tracker
from .wandb_run import WandbTracker as WandbTracker
