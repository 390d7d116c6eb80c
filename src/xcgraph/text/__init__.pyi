from .fitted_vectorizer import FittedVectorizer as FittedVectorizer
from .subwords import SubwordVectorizer as SubwordVectorizer
from .token_ids import TokenIdVectorizer as TokenIdVectorizer
from .tokenizers import (
    NgramTokenizer as NgramTokenizer,
)
from .tokenizers import (
    Tokenizer as Tokenizer,
)
from .tokenizers import (
    WordPieceTokenizer as WordPieceTokenizer,
)
from .tokenizers import (
    WordTokenizer as WordTokenizer,
)
from .tokenizers import (
    load_tokenizer as load_tokenizer,
)
from .vectorizer import (
    VectorizedTexts as VectorizedTexts,
)
from .vectorizer import (
    Vectorizer as Vectorizer,
)
from .vectorizer import (
    WordVectorizer as WordVectorizer,
)
from .wordpiece import WordPieceVectorizer as WordPieceVectorizer
from .wordpiece_file import WordPieceFile as WordPieceFile
