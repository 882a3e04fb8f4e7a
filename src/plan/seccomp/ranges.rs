//! What is put before a compiled program: the calls that are answered alike whatever their arguments are, as
//! ranges of numbers that are searched by halving. The kernel goes through a filter once for each of its
//! calls when it is installed, to remember such answers: by a list of comparisons, one after the other, that
//! takes a millisecond (measured).

use std::collections::BTreeSet;

use super::Instruction;

const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;
/// Where `struct seccomp_data` has the architecture.
const ARCHITECTURE: u32 = 4;
/// Jumps are by at most so many instructions.
const FARTHEST: usize = 250;

/// The architecture's number in audit(7).
const OWN: u32 = if cfg!(target_arch = "aarch64") { 0xc000_00b7 } else { 0xc000_003e };

/// Returns `action` for these numbers of the own architecture, and goes on behind its end with all others.
/// Nothing where they would be too many ranges.
pub(super) fn prefix(numbers: &BTreeSet<u32>, action: u32) -> Vec<Instruction> {
    let boundaries = boundaries(numbers);
    // Each boundary is one comparison; behind them is the answer.
    if boundaries.is_empty() || boundaries.len() + 2 > FARTHEST {
        return Vec::new();
    }
    let behind = boundaries.len() + 1;
    let mut made = vec![
        Instruction { code: LOAD, jump_true: 0, jump_false: 0, operand: ARCHITECTURE },
        Instruction { code: JUMP_IF_EQUAL, jump_true: 0, jump_false: near(behind + 1), operand: OWN },
        Instruction { code: LOAD, jump_true: 0, jump_false: 0, operand: 0 },
    ];
    let mut comparisons = Vec::with_capacity(boundaries.len());
    search(&boundaries, 0, boundaries.len(), &mut comparisons);
    made.extend(comparisons);
    made.push(Instruction { code: RETURN, jump_true: 0, jump_false: 0, operand: action });
    made
}

/// Where ranges begin and end, in turn.
fn boundaries(numbers: &BTreeSet<u32>) -> Vec<u32> {
    let mut boundaries: Vec<u32> = Vec::new();
    for number in numbers {
        if boundaries.last() == Some(number) {
            boundaries.pop();
        } else {
            boundaries.push(*number);
        }
        boundaries.push(number.saturating_add(1));
    }
    boundaries
}

/// The comparisons for the boundaries from `low` to below `high`, each before those that follow from it.
fn search(boundaries: &[u32], low: usize, high: usize, made: &mut Vec<Instruction>) {
    let middle = low.midpoint(high);
    let Some(boundary) = boundaries.get(middle) else { return };
    let own = made.len();
    made.push(Instruction { code: JUMP_IF_AT_LEAST, jump_true: 0, jump_false: 0, operand: *boundary });
    let below = target(boundaries, low, middle, made);
    let above = target(boundaries, middle + 1, high, made);
    if let Some(comparison) = made.get_mut(own) {
        comparison.jump_false = near(below - own - 1);
        comparison.jump_true = near(above - own - 1);
    }
}

/// Where it goes on between these boundaries: with further comparisons, or with one of the two ends.
fn target(boundaries: &[u32], low: usize, high: usize, made: &mut Vec<Instruction>) -> usize {
    if low < high {
        let here = made.len();
        search(boundaries, low, high, made);
        return here;
    }
    // After an odd number of boundaries a number is in a range.
    if low % 2 == 1 { boundaries.len() } else { boundaries.len() + 1 }
}

fn near(distance: usize) -> u8 {
    u8::try_from(distance).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a number: the answer, or `None` where it goes on behind the end.
    fn run(program: &[Instruction], architecture: u32, number: u32) -> Option<u32> {
        let (mut at, mut loaded) = (0, 0);
        while let Some(instruction) = program.get(at) {
            at += 1;
            let jump =
                |holds| usize::from(if holds { instruction.jump_true } else { instruction.jump_false });
            match instruction.code {
                LOAD => loaded = if instruction.operand == 0 { number } else { architecture },
                JUMP_IF_EQUAL => at += jump(loaded == instruction.operand),
                JUMP_IF_AT_LEAST => at += jump(loaded >= instruction.operand),
                RETURN => return Some(instruction.operand),
                other => panic!("{other:#x}"),
            }
        }
        assert_eq!(at, program.len(), "it ends right behind the program");
        None
    }

    #[test]
    fn exactly_the_numbers_are_answered() {
        let sets: [&[u32]; 6] =
            [&[0], &[0, 1, 2], &[5], &[1, 2, 7, 8, 9, 20], &[3, 5, 7, 9, 11, 13, 15], &[0, 459]];
        for numbers in sets {
            let numbers: BTreeSet<u32> = numbers.iter().copied().collect();
            let program = prefix(&numbers, 77);
            for number in (0..500).chain([0x4000_0000, 0x4000_0001, u32::MAX]) {
                let expected = numbers.contains(&number).then_some(77);
                assert_eq!(run(&program, OWN, number), expected, "{number} of {numbers:?}");
                assert_eq!(run(&program, 0x4000_0003, number), None, "i386");
            }
        }
    }

    #[test]
    fn too_many_ranges_are_left_to_the_program_behind() {
        assert_eq!(prefix(&(0..200).map(|number| number * 2).collect(), 77), []);
        assert_eq!(prefix(&BTreeSet::new(), 77), []);
    }
}
