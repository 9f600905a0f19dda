//! The shape of one function: what makes a compiler slow.

use wasmparser::{BlockType, FuncType, FunctionBody, Operator};

use super::error::InspectError;

/// Locals and parameters of a function; plugins of usual size have 28.
pub(super) const LOCALS: u64 = 1_000;
/// Loops in each other; plugins of usual size have 4.
pub(super) const LOOP_DEPTH: usize = 16;
/// Blocks in each other; plugins of usual size have 91.
pub(super) const BLOCK_DEPTH: usize = 256;
/// For every block and branch of a function: the values that it may carry. The bundled plugin's most complex function
/// has 5,040.
pub(super) const COMPLEXITY: u64 = 500_000;
/// Bytes of a function.
pub(super) const BODY_BYTES: usize = 256 << 10;

/// How many values a function or block takes and gives.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arity {
    takes: u64,
    gives: u64,
}

impl Arity {
    pub(super) fn of(function: &FuncType) -> Self {
        let count = |values: usize| u64::try_from(values).unwrap_or(u64::MAX);
        Self {
            takes: count(function.params().len()),
            gives: count(function.results().len()),
        }
    }
}

/// The types of a module and of its functions.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    kinds: Vec<Arity>,
    functions: Vec<u32>,
}

impl Signatures {
    /// The next type.
    pub(super) fn kind(&mut self, arity: Arity) {
        self.kinds.push(arity);
    }

    /// The type of the next function.
    pub(super) fn function(&mut self, kind: u32) {
        self.functions.push(kind);
    }

    /// An index that leads nowhere is the compiler's to refuse.
    fn at(&self, kind: u32) -> Arity {
        usize::try_from(kind)
            .ok()
            .and_then(|index| self.kinds.get(index))
            .copied()
            .unwrap_or_default()
    }

    fn of_function(&self, function: u32) -> Arity {
        let kind = usize::try_from(function)
            .ok()
            .and_then(|index| self.functions.get(index));
        kind.map(|kind| self.at(*kind)).unwrap_or_default()
    }

    fn of_block(&self, block: BlockType) -> Arity {
        match block {
            BlockType::Empty => Arity::default(),
            BlockType::Type(_) => Arity { takes: 0, gives: 1 },
            BlockType::FuncType(kind) => self.at(kind),
        }
    }
}

/// Checks one function, the `function`th of its module that has a body.
pub(super) fn check(
    body: &FunctionBody<'_>,
    function: u32,
    signatures: &Signatures,
) -> Result<(), InspectError> {
    let bytes = body.as_bytes().len();
    if bytes > BODY_BYTES {
        return Err(InspectError::BodyTooLarge { function, bytes });
    }
    let arity = signatures.of_function(function);
    let mut locals = arity.takes;
    for group in body.get_locals_reader().map_err(InspectError::Malformed)? {
        let (count, _kind) = group.map_err(InspectError::Malformed)?;
        locals = locals.saturating_add(count.into());
    }
    if locals > LOCALS {
        return Err(InspectError::TooManyLocals { function, locals });
    }
    let mut shape = Shape {
        function,
        locals,
        signatures,
        blocks: vec![Block {
            is_loop: false,
            carried: arity.gives,
        }],
        loops: 0,
        complexity: 0,
    };
    let mut operators = body.get_operators_reader().map_err(InspectError::Malformed)?;
    while !operators.eof() {
        shape.operator(&operators.read().map_err(InspectError::Malformed)?)?;
    }
    Ok(())
}

/// A block that is open.
struct Block {
    is_loop: bool,
    /// The values that a branch to it carries.
    carried: u64,
}

/// What was seen of a function so far.
struct Shape<'a> {
    function: u32,
    locals: u64,
    signatures: &'a Signatures,
    blocks: Vec<Block>,
    loops: usize,
    complexity: u64,
}

impl Shape<'_> {
    fn operator(&mut self, operator: &Operator<'_>) -> Result<(), InspectError> {
        match operator {
            Operator::Loop { blockty } => self.open(true, *blockty),
            Operator::Block { blockty } | Operator::If { blockty } | Operator::Try { blockty } => {
                self.open(false, *blockty)
            }
            Operator::TryTable { try_table } => self.open(false, try_table.ty),
            Operator::End => {
                if self.blocks.pop().is_some_and(|block| block.is_loop) {
                    self.loops = self.loops.saturating_sub(1);
                }
                Ok(())
            }
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                self.add(self.carried(*relative_depth))
            }
            Operator::BrTable { targets } => {
                let carried = self.carried(targets.default());
                self.add(carried.saturating_mul(u64::from(targets.len()).saturating_add(1)))
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, is_loop: bool, block: BlockType) -> Result<(), InspectError> {
        let function = self.function;
        let arity = self.signatures.of_block(block);
        let carried = if is_loop { arity.takes } else { arity.gives };
        self.blocks.push(Block { is_loop, carried });
        self.loops = self.loops.saturating_add(usize::from(is_loop));
        // The function itself is the first of the blocks.
        if self.blocks.len() > BLOCK_DEPTH.saturating_add(1) {
            return Err(InspectError::NestedTooDeep { function });
        }
        if self.loops > LOOP_DEPTH {
            return Err(InspectError::LoopsTooDeep { function });
        }
        self.add(
            self.locals
                .saturating_add(arity.takes)
                .saturating_add(arity.gives),
        )
    }

    /// What a branch to the block at `depth`, counted from the innermost, carries.
    fn carried(&self, depth: u32) -> u64 {
        let block = usize::try_from(depth)
            .ok()
            .and_then(|depth| self.blocks.iter().rev().nth(depth));
        block.map_or(0, |block| block.carried)
    }

    fn add(&mut self, values: u64) -> Result<(), InspectError> {
        self.complexity = self.complexity.saturating_add(values);
        if self.complexity > COMPLEXITY {
            return Err(InspectError::TooComplex {
                function: self.function,
            });
        }
        Ok(())
    }
}
